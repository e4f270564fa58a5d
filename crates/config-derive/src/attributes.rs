//! What `#[config(…)]` says.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, Expr, ExprLit, Field, Lit, LitStr, Meta, Path, Type, ext::IdentExt, meta::ParseNestedMeta,
    spanned::Spanned,
};

/// `#[config(…)]` of a struct.
#[derive(Default)]
pub struct StructAttributes {
    pub context: Option<Type>,
    pub check: Option<Path>,
}

impl StructAttributes {
    pub fn parse(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut found = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("config")) {
            attribute.parse_nested_meta(|meta| {
                match name(&meta)?.as_str() {
                    "context" => found.context = Some(meta.value()?.parse()?),
                    "check" => found.check = Some(meta.value()?.parse()?),
                    _ => return Err(meta.error("unknown; a struct has `context` and `check`")),
                }
                Ok(())
            })?;
        }
        Ok(found)
    }
}

/// Where the value of a field comes from.
pub enum From {
    /// A key.
    Key(LitStr),
    /// Further keys of the same section.
    Flatten(Option<Expr>),
    /// No key.
    Value(Expr),
}

/// `#[config(…)]` of a field.
#[derive(Default)]
pub struct FieldAttributes {
    key: Option<LitStr>,
    flatten: Option<Option<Expr>>,
    value: Option<Expr>,
    pub nested: Option<Option<Expr>>,
    pub default: Option<Expr>,
    pub required: bool,
    pub choices: Option<Expr>,
    pub check: Option<Expr>,
    pub inactive: Option<Expr>,
    pub unused: Option<Expr>,
    pub refused: Option<Expr>,
    pub as_type: Option<Type>,
    pub map: Option<Expr>,
    /// Calls on the key's declaration: `.min(1 as f64).resume(…)`.
    pub declared: TokenStream,
}

impl FieldAttributes {
    pub fn parse(field: &Field) -> syn::Result<Self> {
        let mut found = Self::default();
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("config")) {
            attribute.parse_nested_meta(|meta| found.add(&meta))?;
        }
        let description = documentation(&field.attrs);
        if !description.is_empty() {
            found.declare(quote!(.description(#description)));
        }
        Ok(found)
    }

    fn declare(&mut self, call: TokenStream) {
        self.declared.extend(call);
    }

    fn add(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let name = name(meta)?;
        match name.as_str() {
            "key" => self.key = Some(meta.value()?.parse()?),
            "flatten" => self.flatten = Some(maybe(meta)?),
            "nested" => self.nested = Some(maybe(meta)?),
            "value" => self.value = Some(meta.value()?.parse()?),
            "default" => self.default = Some(meta.value()?.parse()?),
            "required" => self.required = true,
            "choices" => self.choices = Some(meta.value()?.parse()?),
            "check" => self.check = Some(meta.value()?.parse()?),
            "inactive" => self.inactive = Some(meta.value()?.parse()?),
            "unused" => self.unused = Some(meta.value()?.parse()?),
            "refused" => self.refused = Some(meta.value()?.parse()?),
            "as" => self.as_type = Some(meta.value()?.parse()?),
            "map" => self.map = Some(meta.value()?.parse()?),
            "min" | "max" | "above" | "below" => {
                let (limit, call): (Expr, _) = (meta.value()?.parse()?, syn::Ident::new(&name, meta.path.span()));
                let limit = match &limit {
                    Expr::Lit(ExprLit { lit: Lit::Int(whole), .. }) => {
                        let number: f64 = whole.base10_parse()?;
                        quote!(#number)
                    }
                    limit => quote!(#limit),
                };
                self.declare(quote!(.#call(#limit)));
            }
            "multiple_of" => {
                let limit: Expr = meta.value()?.parse()?;
                self.declare(quote!(.multiple_of(#limit)));
            }
            "absent" => {
                let words: Expr = meta.value()?.parse()?;
                self.declare(quote!(.absent(#words)));
            }
            "alias" => {
                let old: LitStr = meta.value()?.parse()?;
                self.declare(quote!(.alias(#old)));
            }
            "absent_acts" => self.declare(quote!(.absent_acts())),
            "resume" => {
                let rule = resume(meta)?;
                self.declare(quote!(.resume(::trackflow_config::Resume::#rule)));
            }
            _ => return Err(meta.error("unknown; the documentation of trackflow-config-derive lists what there is")),
        }
        Ok(())
    }

    /// Where the field's value comes from.
    pub fn from(&self, field: &Field) -> syn::Result<From> {
        match (&self.key, &self.flatten, &self.value) {
            (Some(key), None, None) => Ok(From::Key(key.clone())),
            (None, Some(context), None) => Ok(From::Flatten(context.clone())),
            (None, None, Some(value)) => Ok(From::Value(value.clone())),
            _ => Err(syn::Error::new_spanned(field, "a field has one of `key = \"…\"`, `flatten` and `value = …`")),
        }
    }
}

/// `free`, `length` or `noted("why")`, as a variant of `Resume`.
fn resume(meta: &ParseNestedMeta<'_>) -> syn::Result<TokenStream> {
    let rule: Expr = meta.value()?.parse()?;
    match &rule {
        Expr::Path(path) if path.path.is_ident("free") => Ok(quote!(Free)),
        Expr::Path(path) if path.path.is_ident("length") => Ok(quote!(Length)),
        Expr::Call(call) if matches!(&*call.func, Expr::Path(path) if path.path.is_ident("noted")) => {
            let why = &call.args;
            Ok(quote!(Noted(#why)))
        }
        _ => Err(syn::Error::new_spanned(rule, "free, length or noted(\"why a change is harmless\")")),
    }
}

/// The name of an attribute, which may be a word of the language (`as`).
fn name(meta: &ParseNestedMeta<'_>) -> syn::Result<String> {
    meta.path.get_ident().map(|ident| ident.unraw().to_string()).ok_or_else(|| meta.error("expected a word"))
}

/// What follows `=`, if anything does.
fn maybe(meta: &ParseNestedMeta<'_>) -> syn::Result<Option<Expr>> {
    if meta.input.peek(syn::Token![=]) { meta.value()?.parse().map(Some) } else { Ok(None) }
}

/// The lines of a documentation comment as one.
fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let lines = lines.filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_string()),
            _ => None,
        },
        _ => None,
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
