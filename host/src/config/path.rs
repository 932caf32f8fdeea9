//! Dotted paths of options, as diagnostics and programs write them: `sources.stack.parameters."PM2.5".point`.

/// Keys joined with dots, in quotes where TOML wants them.
pub(crate) fn path_text(keys: &[String]) -> String {
    let plain =
        |key: &String| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let text = |key: &String| if plain(key) { key.clone() } else { quoted(key) };
    keys.iter().map(text).collect::<Vec<_>>().join(".")
}

/// The name in quotes, as in a diagnostic.
pub(crate) fn quoted(name: &str) -> String {
    format!("{name:?}")
}

/// Whether a member of a section may be called this.
pub(crate) fn is_name(name: &str) -> bool {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    first && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// The keys of a dotted path.
pub(crate) fn split(path: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (key, after) = match rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
            Some((key, after)) => (key, after.strip_prefix('.').unwrap_or(after)),
            None => rest.split_once('.').unwrap_or((rest, "")),
        };
        keys.push(key.to_owned());
        rest = after;
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_back_as_its_keys() {
        for keys in [&["hub", "name"][..], &["sources", "s-1", "parameters", "PM2.5", "point"], &["a.b"], &[]] {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            assert_eq!(split(&path_text(&keys)), keys);
        }
        assert_eq!(path_text(&["a".to_owned(), "PM2.5".to_owned()]), "a.\"PM2.5\"");
    }
}
