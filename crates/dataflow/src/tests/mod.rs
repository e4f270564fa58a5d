//! The engine, driven through its public face by simulated stages.

mod backpressure;
mod branches;
mod changes;
mod compile;
mod failures;
mod meters;
mod ordering;
mod saving;
mod shutdown;
mod supervision;
mod trace;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::sim::{KINDS, Sim};
use super::{Board, Graph, Node, Run, RunOutcome, Shutdown, StageConfig};

/// A stage of the simulated kind `name`, named like it and its place.
fn node(name: &str, stage_config: impl StageConfig<Sim> + 'static) -> Node<Sim> {
    let kind = KINDS.iter().find(|kind| kind.name == name).unwrap();
    Node::new(name, kind, stage_config)
}

fn chain(nodes: Vec<Node<Sim>>) -> Graph<Sim> {
    let named = nodes.into_iter().enumerate().map(|(index, mut node)| {
        node.id = format!("{}{index}", node.id);
        node
    });
    Graph::chain("test", named.collect()).unwrap()
}

/// Waits until `condition` holds, on a machine as busy as it may be.
fn wait_until(condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(600));
        thread::sleep(Duration::from_millis(1));
    }
}

/// A run in the background.
struct Running {
    board: Arc<Board>,
    stop: Shutdown,
    run: JoinHandle<RunOutcome>,
}

impl Running {
    fn start(graph: &Graph<Sim>, sim: &Sim) -> Self {
        let stop = Shutdown::new();
        let run = Run::build(graph, &Arc::new(sim.clone()), stop.clone()).unwrap();
        Self { board: run.board(), stop, run: thread::spawn(move || run.join()) }
    }

    fn taken(&self) -> u64 {
        self.board.stages()[0].taken
    }

    /// Waits until the source has taken `count` items, and then a little for one that would be too many.
    fn stays_at(&self, count: u64) {
        wait_until(|| self.taken() >= count);
        thread::sleep(Duration::from_millis(25));
        assert_eq!(self.taken(), count);
    }

    fn join(self) -> RunOutcome {
        self.run.join().unwrap()
    }
}

fn run(graph: &Graph<Sim>, sim: &Sim) -> RunOutcome {
    super::run(graph, &Arc::new(sim.clone()), Shutdown::new())
}
