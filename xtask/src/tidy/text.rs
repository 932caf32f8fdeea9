//! Rules for single lines of any file.

use super::Fault;

/// What must not stand in a line. The words are put together here so that this file passes its own rules.
const REFUSED: [(&str, &str); 13] = [
    (concat!("TO", "DO"), "unfinished work belongs in an issue"),
    (concat!("FIX", "ME"), "unfinished work belongs in an issue"),
    (concat!("to", "do!("), "a stub: finish it or leave it out"),
    (concat!("unimpl", "emented!("), "a stub: finish it or leave it out"),
    (concat!("/ho", "me/"), "a path of one person's machine"),
    (concat!("/Us", "ers/"), "a path of one person's machine"),
    (concat!("/ro", "ot/"), "a path of one person's machine"),
    (concat!("crates", ".io"), "a registry's host: its client knows where it is"),
    (concat!("py", "pi.org"), "a registry's host: its client knows where it is"),
    (concat!("python", "hosted.org"), "a registry's host: its client knows where it is"),
    (concat!("deb.deb", "ian.org"), "a registry's host: its client knows where it is"),
    (concat!("registry.n", "pmjs.org"), "a registry's host: its client knows where it is"),
    (concat!("proxy.go", "lang.org"), "a registry's host: its client knows where it is"),
];

/// Faults of each line, and a missing module doc.
pub fn check(path: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        for (word, why) in REFUSED {
            if contains_word(line, word) {
                faults.push(Fault::new(path, number, format!("`{word}`: {why}")));
            }
        }
        if line.ends_with([' ', '\t']) {
            faults.push(Fault::new(path, number, "white space at the end of the line"));
        }
    }
    if path.ends_with(".rs") && !has_module_doc(text) {
        faults.push(Fault::new(path, 1, "no module doc: say in one sentence what and in one why, with `//!`"));
    }
    if !text.is_empty() && !text.ends_with('\n') {
        faults.push(Fault::new(path, text.lines().count(), "no line end at the end of the file"));
    }
    faults
}

fn has_module_doc(text: &str) -> bool {
    text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| line.starts_with("//! "))
}

/// True when the word stands there and is not the end of a longer name.
fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        check(path, text).iter().map(Fault::to_string).collect()
    }

    #[test]
    fn a_clean_file_has_no_fault() {
        assert_eq!(faults("a.rs", "//! What it is.\n\nfn f() {}\n"), Vec::<String>::new());
    }

    #[test]
    fn every_refused_word_is_found_with_its_line() {
        for (word, why) in REFUSED {
            assert_eq!(faults("a.md", &format!("first\nx {word}x\n")), [format!("a.md:2: `{word}`: {why}")]);
        }
    }

    #[test]
    fn a_longer_name_is_not_a_refused_word() {
        let longer = concat!("let my_to", "do!(1)");
        assert_eq!(faults("a.md", &format!("{longer}\n")), Vec::<String>::new());
    }

    #[test]
    fn white_space_at_the_end_is_found() {
        assert_eq!(faults("a.toml", "a = 1 \n"), ["a.toml:1: white space at the end of the line"]);
    }

    #[test]
    fn a_rust_file_without_module_doc_is_found() {
        assert_eq!(faults("a.rs", "use std::fs;\n").len(), 1);
        assert_eq!(faults("a.rs", "/// Not the module's.\nfn f() {}\n").len(), 1);
        assert_eq!(faults("a.toml", "[a]\n").len(), 0);
    }

    #[test]
    fn a_missing_last_line_end_is_found() {
        assert_eq!(faults("a.md", "first\nlast"), ["a.md:2: no line end at the end of the file"]);
    }
}
