//! The stack machine that a pickle is a program for. Ours builds descriptions: it imports nothing and calls nothing.

use super::{
    input::Input,
    object::{Made, Object, Ref},
};
use std::{borrow::Cow, collections::HashMap};

/// Most objects of a pickle, and most places of its stack. Checkpoints of large models have some ten thousand.
const MOST: usize = 4 << 20;

pub(super) type Step<T = ()> = Result<T, String>;

pub(super) struct Machine<'a> {
    pub input: Input<'a>,
    pub objects: Vec<Object<'a>>,
    stack: Vec<Ref>,
    /// Heights of the stack where marks were set.
    marks: Vec<usize>,
    memo: HashMap<u64, Ref>,
}

impl<'a> Machine<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let (objects, stack, marks, memo) = Default::default();
        Self { input: Input::new(bytes), objects, stack, marks, memo }
    }

    pub fn add(&mut self, object: Object<'a>) -> Step<Ref> {
        if self.objects.len() >= MOST {
            return Err(format!("more than {MOST} objects"));
        }
        self.objects.push(object);
        Ok((self.objects.len() - 1) as Ref)
    }

    pub fn push(&mut self, at: Ref) -> Step {
        if self.stack.len() >= MOST {
            return Err(format!("a stack of more than {MOST} objects"));
        }
        self.stack.push(at);
        Ok(())
    }

    /// Adds `object` and pushes it.
    pub fn put(&mut self, object: Object<'a>) -> Step {
        let at = self.add(object)?;
        self.push(at)
    }

    pub fn text(&mut self, bytes: &'a [u8]) -> Step<Ref> {
        self.add(match std::str::from_utf8(bytes) {
            Ok(text) => Object::Text(Cow::Borrowed(text)),
            Err(_) => Object::Bytes(bytes),
        })
    }

    pub fn put_text(&mut self, bytes: &'a [u8]) -> Step {
        let at = self.text(bytes)?;
        self.push(at)
    }

    pub fn mark(&mut self) -> Step {
        if self.marks.len() >= MOST {
            return Err(format!("more than {MOST} marks"));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub fn pop(&mut self) -> Step<Ref> {
        match self.stack.len() > self.floor() {
            true => self.stack.pop().ok_or_else(|| "an empty stack".into()),
            false => Err("takes from an empty stack".into()),
        }
    }

    /// `POP`: drops the top object, or the mark when nothing lies above it.
    pub fn drop_top(&mut self) -> Step {
        match self.pop() {
            Ok(_) => Ok(()),
            Err(error) => self.marks.pop().map(|_| ()).ok_or(error),
        }
    }

    pub fn pop_mark(&mut self) -> Step<Vec<Ref>> {
        let floor = self.marks.pop().ok_or("there is no mark")?;
        Ok(self.stack.split_off(floor))
    }

    pub fn pop_many(&mut self, count: usize) -> Step<Vec<Ref>> {
        if self.stack.len() < self.floor() + count {
            return Err("takes from an empty stack".into());
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    pub fn top(&self) -> Step<Ref> {
        let top = self.stack.get(self.floor()..).and_then(|above| above.last());
        top.copied().ok_or_else(|| "looks at an empty stack".into())
    }

    pub fn remember(&mut self, key: u64) -> Step {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    pub fn memoize(&mut self) -> Step {
        self.remember(self.memo.len() as u64)
    }

    pub fn recall(&mut self, key: u64) -> Step {
        let at = *self.memo.get(&key).ok_or_else(|| format!("nothing was remembered as {key}"))?;
        self.push(at)
    }

    /// Pushes what calling `callable` with the tuple `arguments` would give.
    pub fn make(&mut self, callable: Ref, arguments: Ref) -> Step {
        if !matches!(self.objects.get(arguments as usize), Some(Object::Tuple(_))) {
            return Err("a call whose arguments are no tuple".into());
        }
        let (state, entries, items) = Default::default();
        self.put(Object::Made(Box::new(Made { callable, arguments, state, entries, items })))
    }

    pub fn build(&mut self) -> Step {
        let state = self.pop()?;
        let target = self.top()?;
        // What has no state of its own, such as a list, would get attributes that mean nothing here.
        if let Some(Object::Made(made)) = self.objects.get_mut(target as usize) {
            made.state = Some(state);
        }
        Ok(())
    }

    pub fn append(&mut self, mut values: Vec<Ref>) -> Step {
        let target = self.top()?;
        match self.objects.get_mut(target as usize) {
            Some(Object::List(items) | Object::Set(items)) => items.append(&mut values),
            Some(Object::Made(made)) => made.items.append(&mut values),
            _ => return Err("appends to something that is no list".into()),
        }
        Ok(())
    }

    pub fn set(&mut self, values: &[Ref]) -> Step {
        let pairs = pairs(values)?;
        let target = self.top()?;
        match self.objects.get_mut(target as usize) {
            Some(Object::Dict(entries)) => entries.extend(pairs),
            Some(Object::Made(made)) => made.entries.extend(pairs),
            _ => return Err("sets an item of something that is no dictionary".into()),
        }
        Ok(())
    }
}

pub(super) fn pairs(values: &[Ref]) -> Step<impl Iterator<Item = (Ref, Ref)>> {
    if !values.len().is_multiple_of(2) {
        return Err("a key without a value".into());
    }
    Ok(values.chunks_exact(2).map(|pair| (pair[0], pair[1])))
}
