//! `cargo xtask reference`: the contract as one page for people, made of the texts in `wit/`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wit_parser::{Docs, Function, FunctionKind, Interface, Resolve, TypeDef, TypeDefKind, TypeId, WorldItem};

use super::Contract;
use super::words::{function, short_name, type_text};
use crate::tidy::Fault;

const FILE: &str = "docs/integrators/reference.md";
const COMMAND: &str = "cargo xtask reference";

/// Writes the page.
pub fn write(root: &Path) -> Result<()> {
    fs::write(root.join(FILE), page(&Contract::read(root)?)).with_context(|| format!("cannot write {FILE}"))?;
    println!("{FILE}");
    Ok(())
}

/// A page that is not what would be written.
pub fn check(root: &Path) -> Result<Vec<Fault>> {
    let wanted = page(&Contract::read(root)?);
    let found = fs::read_to_string(root.join(FILE)).unwrap_or_default().replace("\r\n", "\n");
    let mut lines = found.lines().zip(wanted.lines()).enumerate();
    let line = match lines.find(|(_, (found, wanted))| found != wanted) {
        Some((line, _)) => line + 1,
        None if found == wanted => return Ok(Vec::new()),
        None => found.lines().count() + 1,
    };
    Ok(vec![Fault::new(FILE, line, format!("it is not what stands in wit; run: {COMMAND}"))])
}

fn page(contract: &Contract) -> String {
    let mut page = String::from("# Reference of the contract\n\n");
    let _ = writeln!(
        page,
        "Made of the texts in [`wit/`](../../wit/README.md) by `{COMMAND}`, which is the way to change it. How versions work: \
         [how the contract changes](contract-changes.md). A driver in Rust sees all of this through \
         [the SDK](../../plugins/sdk/src/lib.rs).\n"
    );
    let Contract { resolve, packages } = contract;
    page.push_str("| package | interfaces |\n| --- | --- |\n");
    for package in packages.iter().map(|package| &resolve.packages[*package]) {
        let interfaces: Vec<String> = package
            .interfaces
            .keys()
            .map(|interface| format!("[`{interface}`](#{})", anchor(&package.name.interface_id(interface))))
            .collect();
        let title = package.name.to_string();
        let _ = writeln!(page, "| [`{title}`](#{}) | {} |", anchor(&title), interfaces.join(", "));
    }
    for package in packages.iter().map(|package| &resolve.packages[*package]) {
        let title = package.name.to_string();
        let _ = writeln!(page, "\n## {title}\n");
        // A heading of the text is one of a part of this page.
        prose(&mut page, &package.docs, "#");
        for (name, interface) in &package.interfaces {
            let _ = writeln!(page, "### {}\n", package.name.interface_id(name));
            self::interface(&mut page, resolve, &resolve.interfaces[*interface]);
        }
        for (name, world) in &package.worlds {
            let world = &resolve.worlds[*world];
            let _ = writeln!(page, "### world {name}\n");
            prose(&mut page, &world.docs, "#");
            let named = |item: &WorldItem| match item {
                WorldItem::Interface { id, .. } => resolve.id_of(*id).unwrap_or_default(),
                WorldItem::Function(function) => function.name.clone(),
                WorldItem::Type { .. } => String::new(),
            };
            for (verb, items) in [("imports", &world.imports), ("exports", &world.exports)] {
                let names: Vec<String> = items.values().map(|item| format!("`{}`", named(item))).collect();
                let _ = writeln!(page, "It {verb} {}.\n", names.join(", "));
            }
        }
    }
    format!("{}\n", page.trim_end())
}

fn interface(page: &mut String, resolve: &Resolve, interface: &Interface) {
    prose(page, &interface.docs, "##");
    let is_of = |function: &Function, resource: TypeId| {
        use FunctionKind::{AsyncMethod, AsyncStatic, Constructor, Method, Static};
        matches!(function.kind, Method(id) | Static(id) | Constructor(id) | AsyncMethod(id) | AsyncStatic(id) if id == resource)
    };
    for function in interface.functions.values().filter(|function| function.kind.resource().is_none()) {
        tell(page, resolve, "####", short_name(function), function);
    }
    for (name, id) in &interface.types {
        let definition = &resolve.types[*id];
        if matches!(definition.kind, TypeDefKind::Resource) {
            let _ = writeln!(page, "#### resource {name}\n");
            prose(page, &definition.docs, "###");
            for function in interface.functions.values().filter(|function| is_of(function, *id)) {
                tell(page, resolve, "#####", &format!("{name}.{}", short_name(function)), function);
            }
        }
    }
    for (name, id) in &interface.types {
        definition(page, resolve, name, &resolve.types[*id]);
    }
}

fn tell(page: &mut String, resolve: &Resolve, heading: &str, name: &str, of: &Function) {
    let _ = writeln!(page, "{heading} {name}\n\n```wit\n{}\n```\n", function(resolve, of));
    prose(page, &of.docs, heading);
}

fn definition(page: &mut String, resolve: &Resolve, name: &str, definition: &TypeDef) {
    let rows: Vec<(&str, String, &Docs)> = match &definition.kind {
        TypeDefKind::Record(record) => record
            .fields
            .iter()
            .map(|field| (field.name.as_str(), format!("`{}`", type_text(resolve, &field.ty)), &field.docs))
            .collect(),
        TypeDefKind::Variant(variant) => {
            let carried = |of: &Option<wit_parser::Type>| of.as_ref().map(|of| format!("`{}`", type_text(resolve, of)));
            let case = |case: &'_ wit_parser::Case| carried(&case.ty).unwrap_or_default();
            variant.cases.iter().map(|one| (one.name.as_str(), case(one), &one.docs)).collect()
        }
        TypeDefKind::Enum(of) => of.cases.iter().map(|case| (case.name.as_str(), String::new(), &case.docs)).collect(),
        TypeDefKind::Flags(of) => of.flags.iter().map(|flag| (flag.name.as_str(), String::new(), &flag.docs)).collect(),
        TypeDefKind::Resource => return,
        TypeDefKind::Type(wit_parser::Type::Id(of)) => {
            let owner = match resolve.types[*of].owner {
                wit_parser::TypeOwner::Interface(id) => resolve.id_of(id).unwrap_or_default(),
                _ => String::new(),
            };
            let _ = writeln!(page, "#### {name}\n\nThat of `{owner}`.\n");
            return;
        }
        other => {
            let _ = writeln!(page, "#### {} {name}\n", other.as_str());
            prose(page, &definition.docs, "####");
            return;
        }
    };
    let _ = writeln!(page, "#### {} {name}\n", definition.kind.as_str());
    prose(page, &definition.docs, "####");
    let (what, has_types) = match &definition.kind {
        TypeDefKind::Record(_) => ("member", true),
        TypeDefKind::Variant(_) => ("case", true),
        _ => ("case", false),
    };
    let second = if has_types { " type |" } else { "" };
    let _ = writeln!(page, "| {what} |{second} meaning |\n| --- |{} --- |", if has_types { " --- |" } else { "" });
    for (name, of, docs) in rows {
        let of = if has_types { format!(" {of} |") } else { String::new() };
        let _ = writeln!(page, "| `{name}` |{of} {} |", in_a_row(docs));
    }
    page.push('\n');
}

/// A text, its headings so much deeper.
fn prose(page: &mut String, docs: &Docs, deeper: &str) {
    let Some(text) = &docs.contents else { return };
    for line in text.trim().lines() {
        if line.starts_with('#') {
            page.push_str(deeper);
        }
        page.push_str(line);
        page.push('\n');
    }
    page.push('\n');
}

fn in_a_row(docs: &Docs) -> String {
    let text = docs.contents.as_deref().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    heading.to_lowercase().replace(' ', "-").chars().filter(|letter| kept(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "/// A package.\n///\n/// ## Codes\n///\n/// One.\npackage tutin:it@0.1.0;\n\n/// Reading.\ninterface client {\n    \
        record row { /// How wide | high.\n    width: u8, more: list<option<string>> }\n    \
        resource link {\n        /// Opens it.\n        open: static func(name: string) -> result<link, row>;\n        wait: func(ms: u32) -> result;\n    }\n    \
        /// Adds.\n    add: func(to: borrow<link>, rows: list<row>) -> result<_, string>;\n}\n";

    fn site() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("wit/it")).unwrap();
        fs::create_dir_all(root.path().join("docs/integrators")).unwrap();
        fs::write(root.path().join("wit/it/it.wit"), TEXT).unwrap();
        root
    }

    #[test]
    fn every_function_and_type_is_on_the_page_with_its_text() {
        let page = page(&Contract::read(site().path()).unwrap());
        for part in [
            "| [`tutin:it@0.1.0`](#tutinit010) | [`client`](#tutinitclient010) |",
            "### Codes\n",
            "open: static func(name: string) -> result<link, row>",
            "wait: func(ms: u32) -> result\n",
            "add: func(to: borrow<link>, rows: list<row>) -> result<_, string>",
            "| `width` | `u8` | How wide \\| high. |",
            "| `more` | `list<option<string>>` |  |",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
    }

    #[test]
    fn a_page_that_is_stale_is_told_with_the_command() {
        let root = site();
        assert_eq!(check(root.path()).unwrap().len(), 1, "it is not there yet");
        write(root.path()).unwrap();
        assert_eq!(check(root.path()).unwrap(), []);
        fs::write(root.path().join("wit/it/it.wit"), TEXT.replace("Opens it", "Opens another")).unwrap();
        let faults = check(root.path()).unwrap();
        assert!(faults[0].to_string().ends_with("run: cargo xtask reference"), "{}", faults[0]);
    }
}
