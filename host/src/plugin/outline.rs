//! What a file is made of, read without compiling anything: cheap, and before everything that costs.
//!
//! A component is a tree of components and modules, each a list of sections:
//!
//! ```text
//! | \0asm | kind and version | section: number, size, content | section | …
//! ```
//!
//! Invariant: reading takes time in proportion to the file's size, and memory in proportion to the outermost component's imports and exports.

use wasmparser::{Encoding, Parser, Payload};

use super::loader::Excess;
use super::told;
use crate::config::model::Loading;

/// Components inside components; what a compiler makes has two or three.
const DEEPEST: u32 = 100;

/// What the outermost component asks for and offers, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// Why there is no outline.
#[derive(Debug)]
pub(super) enum NoOutline {
    /// It is not a component.
    Malformed(String),
    /// It has more in it than is allowed.
    Excess(Excess),
}

impl From<wasmparser::BinaryReaderError> for NoOutline {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        NoOutline::Malformed(told::sentence(error.to_string()))
    }
}

/// Reads the outline, as far as the limits go.
pub(super) fn read(wasm: &[u8], limits: &Loading) -> Result<Outline, NoOutline> {
    let (mut outline, mut depth, mut items) = (Outline::default(), 0_u32, 0_u64);
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        items = items.saturating_add(size(&payload));
        excess("functions, types, imports and the like", items, limits.items, "loading.items")?;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                let reason = "it is a core module; make a component of it, as `tutin plugin build` does";
                return Err(NoOutline::Malformed(reason.to_owned()));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                if depth > DEEPEST {
                    let reason = format!("components are nested more than {DEEPEST} deep");
                    return Err(NoOutline::Malformed(reason));
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CodeSectionEntry(body) => {
                let bytes = body.range().len() as u64;
                excess("bytes in one function", bytes, limits.function, "loading.function")?;
            }
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    outline.imports.push(told::name(import?.name.name));
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports {
                    outline.exports.push(told::name(export?.name.name));
                }
            }
            _ => {}
        }
    }
    Ok(outline)
}

fn excess(what: &'static str, found: u64, allowed: u64, limit: &'static str) -> Result<(), NoOutline> {
    if found > allowed { Err(NoOutline::Excess(Excess { what, found, allowed, limit })) } else { Ok(()) }
}

/// How many things a section defines.
fn size(payload: &Payload<'_>) -> u64 {
    let items = match payload {
        Payload::TypeSection(section) => section.count(),
        Payload::ImportSection(section) => section.count(),
        Payload::FunctionSection(section) => section.count(),
        Payload::TableSection(section) => section.count(),
        Payload::MemorySection(section) => section.count(),
        Payload::TagSection(section) => section.count(),
        Payload::GlobalSection(section) => section.count(),
        Payload::ExportSection(section) => section.count(),
        Payload::ElementSection(section) => section.count(),
        Payload::DataSection(section) => section.count(),
        Payload::InstanceSection(section) => section.count(),
        Payload::CoreTypeSection(section) => section.count(),
        Payload::ComponentInstanceSection(section) => section.count(),
        Payload::ComponentAliasSection(section) => section.count(),
        Payload::ComponentTypeSection(section) => section.count(),
        Payload::ComponentCanonicalSection(section) => section.count(),
        Payload::ComponentImportSection(section) => section.count(),
        Payload::ComponentExportSection(section) => section.count(),
        _ => 1,
    };
    items.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str, limits: &Loading) -> Result<Outline, NoOutline> {
        read(&wat::parse_str(text).unwrap(), limits)
    }

    #[test]
    fn only_the_outermost_imports_and_exports_are_the_component_s_own() {
        let text = r#"(component (import "a:b/c@1.0.0" (instance))
            (component (import "inner" (instance)) (instance $i) (export "x" (instance $i)))
            (core module (import "m" "n" (func)))
            (instance $i) (export "d:e/f@1.0.0" (instance $i)))"#;

        let outline = outline(text, &Loading::default()).unwrap();

        let (imports, exports) = (vec!["a:b/c@1.0.0".to_owned()], vec!["d:e/f@1.0.0".to_owned()]);
        assert_eq!(outline, Outline { imports, exports });
    }

    #[test]
    fn what_is_too_much_is_found_before_it_is_compiled() {
        let check = |text: &str, limits: Loading, expected: &str| match outline(text, &limits) {
            Err(NoOutline::Excess(excess)) => assert_eq!(excess.limit, expected),
            other => panic!("{other:?}"),
        };
        let functions = format!("(component (core module {}))", "(func) ".repeat(50));
        check(&functions, Loading { items: 40, ..Loading::default() }, "loading.items");
        let large = format!("(component (core module (func {})))", "nop ".repeat(2_000));
        check(&large, Loading { function: 1_024, ..Loading::default() }, "loading.function");
    }

    #[test]
    fn a_core_module_is_told_apart_from_rubbish() {
        let check = |wasm: &[u8], expected: &str| match read(wasm, &Loading::default()) {
            Err(NoOutline::Malformed(reason)) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{other:?}"),
        };
        check(&wat::parse_str("(module)").unwrap(), "core module");
        check(b"", "unexpected end");
        check(b"MZ this is something else", "magic");
    }
}
