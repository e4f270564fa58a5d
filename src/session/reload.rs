//! SIGHUP: the pipeline file is read again, and what can change while the run goes on changes.

use super::{find, request::Source};
use crate::{
    failure::{Failure, Result},
    flow::{Control, Graph, Kinds, Notice, Notify, Reloaded, SignalWatch, compile, watch_hangups},
    settings::Diagnostics,
    stages::RunContext,
    telemetry::log,
};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// What a SIGHUP does: nothing yet, or the reload of a run that goes on.
type Action = Box<dyn FnMut() + Send>;

/// Reads the pipeline again.
type Read = Box<dyn Fn() -> Result<Graph<RunContext>> + Send>;

/// Hears SIGHUP from its making on, so that none ends the process.
pub(super) struct Hangups {
    action: Arc<Mutex<Option<Action>>>,
    early: Arc<AtomicBool>,
    _watch: SignalWatch,
}

impl Hangups {
    /// Starts to listen. What comes before there is a run to change is kept for [`reload`](Self::reload).
    ///
    /// # Errors
    /// The signal cannot be watched.
    pub fn listen() -> Result<Self> {
        let (action, early) = (Arc::<Mutex<Option<Action>>>::default(), Arc::<AtomicBool>::default());
        let (acting, noted) = (Arc::clone(&action), Arc::clone(&early));
        let watch = watch_hangups(move || match acting.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(action) => action(),
            None => {
                noted.store(true, Ordering::Release);
                log::say("reload: the run has not begun; the pipeline is read again when it does");
            }
        })?;
        Ok(Self { action, early, _watch: watch })
    }

    /// From here on the pipeline `name`, made of `kinds`, is read again at each SIGHUP, until the value is dropped; at once where one came
    /// before. What became of it is said.
    pub fn reload(
        &self,
        (pipeline, kinds): (&Source, &Kinds<RunContext>),
        graph: &Graph<RunContext>,
        control: Control,
        context: &Arc<RunContext>,
        notify: Notify,
    ) {
        let kinds = kinds.clone();
        let read: Read = match pipeline {
            Source::Named(name) => {
                let name = name.clone();
                Box::new(move || compile(&Diagnostics::new(), &find::pipeline(&name)?, &kinds))
            }
            Source::Parsed(..) => Box::new(|| Err(Failure::usage("the pipeline of this run is not in a file"))),
        };
        let mut held = self.action.lock().unwrap_or_else(PoisonError::into_inner);
        let action = held.insert(action(read, graph, control, context, notify));
        if self.early.swap(false, Ordering::AcqRel) {
            action();
        }
    }
}

fn action(
    read: Read,
    graph: &Graph<RunContext>,
    control: Control,
    context: &Arc<RunContext>,
    notify: Notify,
) -> Action {
    let (context, mut running) = (Arc::clone(context), graph.clone());
    let note = move |text: String| notify(Notice::Note(format!("reload: {text}")));
    Box::new(move || match read() {
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
