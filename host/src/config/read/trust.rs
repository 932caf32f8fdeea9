//! `[plugins.NAME]` and `[trust]`.

use crate::config::kind::{DigestText, FilePath, Flag, TrustedKeys};
use crate::config::mistake::Mistake;
use crate::config::model::{Plugin, Trust};
use crate::config::section::Section;

pub(super) fn plugin(section: &mut Section<'_, '_>) -> Option<Plugin> {
    let file = section.required("file", &FilePath { what: "the path of a component (.wasm)", except: None });
    let digest = section.optional("digest", &DigestText);
    if let Some(file) = &file {
        section.note_file("file", file);
    }
    Some(Plugin { file: file?, digest: digest? })
}

pub(super) fn trust(section: &mut Section<'_, '_>) -> Option<Trust> {
    let keys = section.or("keys", &TrustedKeys, "{}");
    let named = section.has("keys") && keys.as_ref().is_none_or(|keys| !keys.is_empty());
    let require = section.or("require", &Flag, if named { "true" } else { "false" });
    if require == Some(true) && !named {
        section.note("require", Mistake::NobodyTrusted);
        return None;
    }
    Some(Trust { keys: keys?, require: require? })
}
