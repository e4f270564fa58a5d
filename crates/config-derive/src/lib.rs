//! `#[derive(Config)]`: a struct is the only declaration of the keys that it is read from.
//!
//! ```ignore
//! /// How long and how fast a run learns.
//! #[derive(Config)]
//! #[config(context = Family)]
//! struct Training {
//!     /// Clips in a batch.
//!     #[config(key = "BATCH_SIZE", default = 16, min = 1)]
//!     batch_size: usize,
//!     /// Learning rate at the start.
//!     #[config(key = "LR", default = context.rate(), above = 0.0)]
//!     lr: f64,
//!     /// Steps between two lines of progress.
//!     #[config(key = "PRINT_INTERVAL", default = 50, min = 1, resume = free)]
//!     print_interval: usize,
//! }
//! ```
//!
//! The derived `Config::read` reads the fields in their order. Expressions see `section`, `context` and the fields above
//! by name. A field's documentation is the key's description in schemas, lists of options and docs.
//!
//! On the struct:
//!
//! | attribute | meaning |
//! |---|---|
//! | `context = Type` | what reading depends on beside the section; `()` when it is not given |
//! | `check = path` | `path(&value, &mut section, &context)` looks at keys that depend on one another |
//!
//! On a field:
//!
//! | attribute | meaning |
//! |---|---|
//! | `key = "NAME"` | the key |
//! | `default = expr` | what an absent key means; without it the field's type is an `Option` |
//! | `absent = "words"` | what an absent key means, where one value does not say it |
//! | `required` | the key may not be absent |
//! | `min`, `max`, `above`, `below`, `multiple_of` | the range of a number, or of each number of a list |
//! | `choices = expr` | the names that a text may be |
//! | `check = expr` | `Fn(&T) -> Option<String>`: a further complaint |
//! | `resume = free`, `length`, `noted("why")` | what a change means for a run that goes on; without it, another run |
//! | `absent_acts` | an absent key says something by itself, so that its absence is a change too |
//! | `alias = "OLD"` | the name that the key had before, which is still read, with a note |
//! | `inactive = expr` | `Option<impl Display>`: why the key has no effect; it then is as when absent, with a warning |
//! | `unused = expr` | the same, only warned of: the value stays |
//! | `refused = expr` | `Option<impl Display>`: why the key cannot be there |
//! | `as = Type`, `map = expr` | the type of the key, and the function from it to the field |
//! | `nested`, `nested = expr` | the key holds a section, read by its type (with the context `expr`) |
//! | `flatten`, `flatten = expr` | no key: the type reads further keys of the same section |
//! | `value = expr` | no key: computed |

mod attributes;
mod field;

use attributes::StructAttributes;
use proc_macro::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, parse_macro_input, spanned::Spanned};

/// Derives `Config`; the crate's documentation lists the attributes.
#[proc_macro_derive(Config, attributes(config))]
pub fn derive_config(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn derive(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new(input.span(), "Config is derived for structs"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(syn::Error::new(data.fields.span(), "Config is derived for structs with named fields"));
    };
    let attributes = StructAttributes::parse(&input.attrs)?;
    let name = &input.ident;
    let names: Vec<_> = fields.named.iter().map(|field| &field.ident).collect();
    let reads = fields.named.iter().map(field::read).collect::<syn::Result<Vec<_>>>()?;
    let context = attributes.context.map_or_else(|| quote!(()), |context| quote!(#context));
    let check = attributes.check.map(|check| quote!(#check(&read, section, context);));
    let generics = &input.generics;
    let (_, type_generics, bounds) = generics.split_for_impl();
    Ok(quote! {
        impl #generics ::trackflow_config::Config<#context> for #name #type_generics #bounds {
            #[allow(unused_variables, reason = "not every struct has a field that asks")]
            fn read(section: &mut ::trackflow_config::Section<'_>, context: &#context) -> Self {
                #(#reads)*
                let read = Self { #(#names),* };
                #check
                read
            }
        }
    })
}
