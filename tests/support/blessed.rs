//! Tables of the documentation that a test makes: compared with what it saw, or written when `BLESS=1` is set.

use std::fs;

use super::test_file;

/// Fails unless the section `name` of a file says the same. A section stands between `<!-- NAME -->` and `<!-- end of NAME -->`. What may differ
/// from run to run, `essence` takes out of both before they are compared.
pub fn agree(file: &str, name: &str, text: &str, essence: impl Fn(&str) -> String) {
    let path = test_file(&format!("../{file}"));
    let whole = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (head, rest) = whole.split_once(&begin).unwrap_or_else(|| panic!("{file} has no {begin}"));
    let (old, tail) = rest.split_once(&end).unwrap_or_else(|| panic!("{file} has no {end}"));
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, format!("{head}{begin}{text}{end}{tail}")).unwrap();
        return;
    }
    let (old, new) = (essence(old), essence(text));
    let lines = old.lines().zip(new.lines()).filter(|(old, new)| old != new);
    let differences: String = lines.map(|(old, new)| format!("- {old}\n+ {new}\n")).collect();
    assert!(old == new, "{file} says otherwise; BLESS=1 writes it\n{differences}");
}
