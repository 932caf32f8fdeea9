//! Types and functions of the contract as they are written in WIT.

use wit_parser::{Function, FunctionKind, Handle, Resolve, Result_, Type, TypeDefKind};

/// A function as in `read-coils: func(address: u16, count: u16) -> result<list<bool>, error>`.
pub fn function(resolve: &Resolve, function: &Function) -> String {
    // The first parameter of a method is what it is called on.
    let skipped = usize::from(matches!(function.kind, FunctionKind::Method(_) | FunctionKind::AsyncMethod(_)));
    let params: Vec<String> = function
        .params
        .iter()
        .skip(skipped)
        .map(|param| format!("{}: {}", param.name, type_text(resolve, &param.ty)))
        .collect();
    let result = function.result.as_ref().map(|result| format!(" -> {}", type_text(resolve, result)));
    let how = if matches!(function.kind, FunctionKind::Static(_)) { "static " } else { "" };
    format!("{}: {how}func({}){}", short_name(function), params.join(", "), result.unwrap_or_default())
}

/// `poll` of `[method]device.poll`.
pub fn short_name(function: &Function) -> &str {
    function.name.rsplit_once('.').map_or(function.name.as_str(), |(_, name)| name)
}

/// A type as it is written.
pub fn type_text(resolve: &Resolve, of: &Type) -> String {
    let Type::Id(id) = of else { return plain(of).to_owned() };
    let definition = &resolve.types[*id];
    if let Some(name) = &definition.name {
        return name.clone();
    }
    let text = |of: &Type| type_text(resolve, of);
    let optional = |of: &Option<Type>| of.as_ref().map_or_else(|| "_".to_owned(), text);
    match &definition.kind {
        TypeDefKind::List(of) => format!("list<{}>", text(of)),
        TypeDefKind::Option(of) => format!("option<{}>", text(of)),
        TypeDefKind::Tuple(tuple) => format!("tuple<{}>", tuple.types.iter().map(text).collect::<Vec<_>>().join(", ")),
        TypeDefKind::Result(Result_ { ok: None, err: None }) => "result".to_owned(),
        TypeDefKind::Result(Result_ { ok, err: None }) => format!("result<{}>", optional(ok)),
        TypeDefKind::Result(Result_ { ok, err }) => format!("result<{}, {}>", optional(ok), optional(err)),
        TypeDefKind::Handle(Handle::Own(of)) => text(&Type::Id(*of)),
        TypeDefKind::Handle(Handle::Borrow(of)) => format!("borrow<{}>", text(&Type::Id(*of))),
        TypeDefKind::Type(of) => text(of),
        other => other.as_str().to_owned(),
    }
}

fn plain(of: &Type) -> &'static str {
    match of {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext | Type::Id(_) => "error-context",
    }
}
