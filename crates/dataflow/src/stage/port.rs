//! What a stage takes or gives: the name of the items, their type, and with that what the engine may do with them.

use std::any::{TypeId, type_name};
use std::fmt;

use super::item_ops::{ItemOps, StreamItem};

/// What a stage takes or gives. Two stages fit together when name and type are equal.
///
/// ```
/// use trackflow_dataflow::Port;
///
/// const LINES: Port = Port::of::<String>("lines of text");
/// assert_eq!(LINES, Port::of::<String>("lines of text"));
/// assert_ne!(LINES, Port::of::<Vec<u8>>("lines of text"));
/// assert!(!LINES.item_ops().can_copy());
/// ```
#[derive(Clone, Copy)]
pub struct Port {
    /// The items in the plural, as messages say it: `cropped clips`.
    pub name: &'static str,
    /// Their type; `None` for items of any type.
    item: Option<ItemType>,
    ops: ItemOps,
}

#[derive(Clone, Copy)]
struct ItemType {
    id: TypeId,
    name: fn() -> &'static str,
}

impl Port {
    /// Items of every type, passed on as they are: a kind with this port on both sides gives what it takes.
    pub const ANY: Self = Self { name: "items of any type", item: None, ops: ItemOps::NONE };

    /// Items of type `T` that are passed on and nothing else.
    pub const fn of<T: Send + 'static>(name: &'static str) -> Self {
        Self { name, item: Some(ItemType { id: TypeId::of::<T>(), name: type_name::<T> }), ops: ItemOps::NONE }
    }

    /// Items of type `T` that can be copied, for a second consumer and for a second attempt, and have a name.
    pub const fn copied<T: StreamItem>(name: &'static str) -> Self {
        Self { ops: ItemOps::of::<T>(), ..Self::of::<T>(name) }
    }

    /// The same, where each item has a [`StreamItem::rank`]: branches of them can be merged in the order of the run.
    pub const fn ranked<T: StreamItem>(name: &'static str) -> Self {
        Self { ops: ItemOps::of::<T>().ranked(), ..Self::of::<T>(name) }
    }

    /// Whether items of any type fit.
    pub const fn is_any(&self) -> bool {
        self.item.is_none()
    }

    /// What the engine may do with the items beyond passing them on.
    pub fn item_ops(&self) -> ItemOps {
        self.ops
    }

    /// The name of the items' type.
    pub fn type_name(&self) -> &'static str {
        self.item.map_or("any type", |item| (item.name)())
    }

    fn id(&self) -> Option<TypeId> {
        self.item.map(|item| item.id)
    }

    /// How messages tell it from `other`: by its name, and where the two have the same, by its type.
    pub(crate) fn beside(&self, other: &Self) -> String {
        match self.name == other.name {
            true => format!("{} of type {}", self.name, self.type_name()),
            false => self.name.to_string(),
        }
    }
}

impl PartialEq for Port {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.id() == other.id()
    }
}

impl Eq for Port {}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("name", &self.name).field("type", &self.type_name()).finish()
    }
}
