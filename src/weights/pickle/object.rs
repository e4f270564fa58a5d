//! What a pickle describes: objects in an arena, so that shared and circular ones cost nothing and dropping a deeply
//! nested one needs no stack.

use std::borrow::Cow;

/// An object's place in its [`Pickle`].
pub type Ref = u32;

/// One object.
#[derive(Debug)]
pub enum Object<'a> {
    /// `None`, or a number beyond 64 bits, which nothing here needs.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A string; also the byte strings of Python 2 that are UTF-8.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list.
    List(Vec<Ref>),
    /// A tuple.
    Tuple(Vec<Ref>),
    /// A set.
    Set(Vec<Ref>),
    /// A dictionary's entries in the order of their insertion; a later entry overrules an earlier one of the same key.
    Dict(Vec<(Ref, Ref)>),
    /// A class or function by the names of its module and itself. It is never looked up.
    Global {
        /// The module: a text.
        module: Ref,
        /// The name: a text.
        name: Ref,
    },
    /// What calling `Global` would give. It is never called.
    Made(Box<Made>),
    /// Something that the pickle's writer kept elsewhere, such as the numbers of a tensor.
    Persistent(Ref),
}

/// The result of a call that is not made.
#[derive(Debug)]
pub struct Made {
    /// What would be called.
    pub callable: Ref,
    /// Its arguments: a tuple.
    pub arguments: Ref,
    /// The state it would be given.
    pub state: Option<Ref>,
    /// The entries that would be set.
    pub entries: Vec<(Ref, Ref)>,
    /// The items that would be appended.
    pub items: Vec<Ref>,
}

/// A parsed pickle.
#[derive(Debug)]
pub struct Pickle<'a> {
    pub(super) objects: Vec<Object<'a>>,
    /// The object that it describes.
    pub root: Ref,
    /// Its length in bytes; others may follow it.
    pub length: usize,
}

impl<'a> Pickle<'a> {
    /// The object at `at`.
    pub fn get(&self, at: Ref) -> &Object<'a> {
        self.objects.get(at as usize).unwrap_or(&Object::None)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The text at `at`, if it is one.
    pub fn text(&self, at: Ref) -> Option<&str> {
        if let Object::Text(text) = self.get(at) { Some(text) } else { None }
    }

    /// The whole number at `at`, if it is one.
    pub fn int(&self, at: Ref) -> Option<i64> {
        if let Object::Int(value) = self.get(at) { Some(*value) } else { None }
    }

    /// The items of the list or tuple at `at`.
    pub fn items(&self, at: Ref) -> Option<&[Ref]> {
        match self.get(at) {
            Object::List(items) | Object::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Module and name of the class or function at `at`.
    pub fn global(&self, at: Ref) -> Option<(&str, &str)> {
        match self.get(at) {
            Object::Global { module, name } => Some((self.text(*module)?, self.text(*name)?)),
            _ => None,
        }
    }

    /// The call at `at` with module and name of what is called.
    pub fn made(&self, at: Ref) -> Option<(&Made, &str, &str)> {
        let Object::Made(made) = self.get(at) else { return None };
        let (module, name) = self.global(made.callable)?;
        Some((made, module, name))
    }

    /// The entries of the dictionary at `at`; also of an `OrderedDict`, a `defaultdict` and other classes that are
    /// filled like one.
    pub fn entries(&self, at: Ref) -> Option<Cow<'_, [(Ref, Ref)]>> {
        if let Object::Dict(entries) = self.get(at) {
            return Some(Cow::Borrowed(entries));
        }
        let (made, _, name) = self.made(at)?;
        if !made.entries.is_empty() {
            return Some(Cow::Borrowed(&made.entries));
        }
        if !matches!(name, "OrderedDict" | "defaultdict" | "Counter") {
            return None;
        }
        // Python 2 pickles an OrderedDict as a call with a list of pairs.
        let pairs = self.items(made.arguments)?.first().and_then(|&first| self.items(first)).unwrap_or_default();
        let pair = |&pair: &Ref| self.items(pair).and_then(|pair| Some((*pair.first()?, *pair.get(1)?)));
        Some(Cow::Owned(pairs.iter().filter_map(pair).collect()))
    }

    /// The value under the text `key` in the dictionary at `at`.
    pub fn value(&self, at: Ref, key: &str) -> Option<Ref> {
        self.entries(at)?.iter().rev().find(|(name, _)| self.text(*name) == Some(key)).map(|(_, value)| *value)
    }
}
