//! Turns a panic inside a stage into a message; nothing is printed on the way.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Calls `body`.
///
/// # Errors
/// The message and the place of a panic inside it.
pub fn guard<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    silence();
    let outer = GUARDED.replace(true);
    // Whatever `body` left half done is dropped by the caller: it ends the run.
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    GUARDED.set(outer);
    result.map_err(|payload| {
        let place = PLACE.take().map(|place| format!(" (at {place})")).unwrap_or_default();
        format!("{}{place}", text(payload.as_ref()))
    })
}

/// Puts a hook before the present one that keeps guarded panics to itself.
fn silence() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if GUARDED.get() {
                PLACE.set(info.location().map(ToString::to_string));
            } else {
                default(info);
            }
        }));
    });
}

fn text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
