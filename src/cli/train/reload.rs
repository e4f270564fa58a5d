//! SIGHUP: the pipeline file is read again, and what can change while the run goes on changes.

use super::find;
use crate::{
    failure::Result,
    flow::{Control, Graph, Notice, Reloaded, SignalWatch, Tell, compile, watch_hangups},
    settings::Reading,
    stages::{KINDS, RunContext},
};
use std::sync::Arc;

/// Reads the pipeline `name` again at each SIGHUP, until the value is dropped, and says what became of it.
///
/// # Errors
/// The signal cannot be watched.
pub(super) fn watch(
    name: &str,
    graph: &Graph<RunContext>,
    control: Control,
    context: &Arc<RunContext>,
    tell: Tell,
) -> Result<SignalWatch> {
    let (name, context, mut running) = (name.to_string(), Arc::clone(context), graph.clone());
    let note = move |text: String| tell(Notice::Note(format!("reload: {text}")));
    watch_hangups(move || match read(&name) {
        Err(failure) => {
            failure.message.lines().for_each(|line| note(line.to_string()));
            note("the file is wrong; the run goes on as it was".into());
        }
        Ok(new) => {
            let Reloaded { applied, refused } = control.reload(&running, &new, &context);
            if applied.is_empty() && refused.is_empty() {
                note("nothing has changed".into());
            }
            if !applied.is_empty() {
                running = new;
            }
            applied.into_iter().for_each(&note);
            refused.into_iter().for_each(|line| note(format!("refused: {line}")));
        }
    })
}

fn read(name: &str) -> Result<Graph<RunContext>> {
    compile(&Reading::new(), &find::pipeline(name)?, &KINDS)
}
