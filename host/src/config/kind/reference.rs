//! Names of other sections.

use crate::config::kind::{Fault, Kind, Scope, text_of};
use crate::config::mistake::{Mistake, nearest};
use crate::config::tree::{Entry, Node};

/// The name of a member of another section. It must be there; whether it is right is that section's matter.
pub(crate) struct Reference {
    /// The section, as in `links`.
    pub section: &'static str,
    /// One member, as in `link`.
    pub member: &'static str,
}

impl Kind for Reference {
    type Value = String;

    fn expected(&self) -> String {
        format!("the name of a {} from [{}]", self.member, self.section)
    }

    fn read(&self, node: &Node, scope: &Scope<'_>) -> Result<String, Vec<Fault>> {
        let text = text_of(node, &|| self.expected())?;
        let members = scope.root.get(self.section).and_then(|entry| entry.node.as_table());
        if members.is_some_and(|members| members.contains_key(text)) {
            return Ok(text.to_owned());
        }
        let defined = || members.into_iter().flatten();
        let told = |(name, entry): (&String, &Entry)| format!("{name:?} ({})", entry.key);
        let near = nearest(text, defined().map(|(name, _)| name.as_str()));
        let mistake = Mistake::NoSuch {
            what: self.member.to_owned(),
            found: text.to_owned(),
            nearest: near.and_then(|near| defined().find(|(name, _)| *name == near)).map(told),
            defined: defined().map(told).collect(),
        };
        Err(vec![mistake.into()])
    }
}
