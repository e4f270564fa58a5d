//! The code that reads one field.

use super::attributes::{FieldAttributes, From};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, Field, LitStr, Type};

/// `let name: Type = …;`
pub fn read(field: &Field) -> syn::Result<TokenStream> {
    let attributes = FieldAttributes::parse(field)?;
    let (name, type_) = (&field.ident, &field.ty);
    let name_of_choice: Type = syn::parse_quote!(&'static str);
    let source = match (&attributes.as_type, &attributes.choices) {
        (Some(source), _) => source,
        // What is chosen is a name, whatever is made of it.
        (None, Some(_)) if attributes.map.is_some() || !is_option(type_) => &name_of_choice,
        (None, _) => type_,
    };
    let value = match attributes.from(field)? {
        From::Value(value) => quote!(#value),
        From::Flatten(context) => {
            let context = context.map_or_else(|| quote!(context), |context| quote!(#context));
            quote!(<#source as ::trackflow_config::Config<_>>::read(section, #context))
        }
        From::Key(key) => of_key(field, &attributes, source, &key)?,
    };
    let value = match &attributes.map {
        Some(map) => quote!(::trackflow_config::derived::mapped(#value, #map)),
        None => value,
    };
    Ok(quote!(let #name: #type_ = #value;))
}

fn of_key(field: &Field, attributes: &FieldAttributes, source: &Type, key: &LitStr) -> syn::Result<TokenStream> {
    let declared = &attributes.declared;
    let key = quote!(::trackflow_config::Key::new(#key)#declared);
    let usage = usage(field, attributes)?;
    if let Some(context) = &attributes.nested {
        let context = context.as_ref().map_or_else(|| quote!(context), |context| quote!(#context));
        let read = if is_option(source) { quote!(nested_optional) } else { quote!(nested) };
        return Ok(quote!({
            const KEY: ::trackflow_config::Key = #key;
            let usage = #usage;
            let value: #source = section.#read(KEY, usage, #context);
            value
        }));
    }
    let is_optional = is_option(source);
    let value = match (&attributes.choices, &attributes.default) {
        (Some(choices), Some(default)) if is_optional => {
            quote!(section.read_choice(KEY, #default, &#choices, usage))
        }
        (Some(choices), Some(default)) => {
            quote!({ let default = #default; section.read_choice(KEY, default, &#choices, usage).unwrap_or(default) })
        }
        (Some(_), None) => return Err(syn::Error::new_spanned(field, "`choices` need a `default`")),
        (None, Some(default)) => quote!({
            let default: #source = #default;
            section.read_value::<#source>(KEY, default, usage)
        }),
        (None, None) if attributes.required => quote!(section.required::<#source>(KEY)),
        (None, None) if is_optional => quote!(section.read_optional(KEY, usage)),
        (None, None) => {
            return Err(syn::Error::new_spanned(field, "needs a `default`, `required`, or an Option as its type"));
        }
    };
    let check = attributes.check.as_ref().map(|check| quote!(section.complain(KEY, &value, #check);));
    Ok(quote!({
        const KEY: ::trackflow_config::Key = #key;
        let usage = #usage;
        let value: #source = #value;
        #check
        value
    }))
}

/// What becomes of the key as things are.
fn usage(field: &Field, attributes: &FieldAttributes) -> syn::Result<TokenStream> {
    let of = |why: &Expr, function: TokenStream| quote!(::trackflow_config::Usage::#function(#why));
    let mut ways = [
        attributes.refused.as_ref().map(|why| of(why, quote!(refused))),
        attributes.inactive.as_ref().map(|why| of(why, quote!(inactive))),
        attributes.unused.as_ref().map(|why| of(why, quote!(unused))),
    ]
    .into_iter()
    .flatten();
    match (ways.next(), ways.next()) {
        (None, _) => Ok(quote!(::trackflow_config::Usage::Active)),
        (Some(only), None) => Ok(only),
        (Some(first), Some(second)) if ways.next().is_none() => Ok(quote!(#first.or(|| #second))),
        _ => Err(syn::Error::new_spanned(field, "at most two of `refused`, `inactive` and `unused`")),
    }
}

fn is_option(type_: &Type) -> bool {
    matches!(type_, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"))
}
