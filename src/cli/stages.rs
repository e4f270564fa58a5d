//! `trackflow stages`: which kinds of stage there are, and their options.

use crate::{
    failure::{Failure, Result},
    flow::{Kind, Role, StageContext, sim},
    settings::did_you_mean,
    stages::KINDS,
};
use clap::Args;

/// `trackflow stages`.
#[derive(Debug, Args)]
pub struct StagesArgs {
    /// Tell all about this kind
    kind: Option<String>,
    /// The simulated kinds instead of those of a training run
    #[arg(long)]
    simulated: bool,
}

/// Prints the list, or all about one kind.
///
/// # Errors
/// There is no such kind.
pub fn stages(args: &StagesArgs) -> Result<()> {
    let text = match (&args.kind, args.simulated) {
        (None, false) => list(&KINDS),
        (None, true) => list(sim::KINDS),
        (Some(name), simulated) => {
            let training = KINDS.iter().find(|kind| kind.name == *name && !simulated).map(describe);
            let found = training.or_else(|| sim::KINDS.iter().find(|kind| kind.name == *name).map(describe));
            found.ok_or_else(|| {
                let known = KINDS.iter().map(|kind| kind.name).chain(sim::KINDS.iter().map(|kind| kind.name));
                Failure::usage(format!("unknown kind `{name}`{}", did_you_mean(name, known)))
            })?
        }
    };
    print!("{text}");
    Ok(())
}

fn list<C: StageContext>(kinds: &[Kind<C>]) -> String {
    let width = kinds.iter().map(|kind| kind.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (role, title) in [(Role::Source, "sources"), (Role::Stage, "stages"), (Role::Sink, "sinks")] {
        text += &format!("{title}\n");
        for kind in kinds.iter().filter(|kind| kind.role() == role) {
            text += &format!("  {:<width$}  {}\n", kind.name, kind.description);
        }
    }
    text + "\n`trackflow stages KIND` lists the options of one.\n"
}

fn describe<C: StageContext>(kind: &'static Kind<C>) -> String {
    let port = |port: Option<crate::flow::Port>| port.map_or("nothing", |port| port.name);
    let workers = match kind.worker_limit() {
        1 if kind.ordered => "1; its input arrives in order".to_string(),
        1 => "1".to_string(),
        limit => format!("{} when not given, at most {limit}, or auto", kind.workers),
    };
    let mut text = format!("{}: {}\n\n", kind.name, kind.description);
    text += &format!("  takes     {}\n  gives     {}\n  workers   {workers}\n", port(kind.input), port(kind.output));
    if kind.role() != Role::Sink {
        text += &format!("  capacity  {} when not given\n", kind.capacity);
    }
    let options = kind.options();
    text += if options.is_empty() { "\nno options\n" } else { "\noptions\n" };
    let mut example = Vec::new();
    for option in &options {
        let default = option.default.as_ref().map_or(String::new(), |default| format!(" (default {default})"));
        text += &format!("  {}: {}{default}\n      {}\n", option.path, option.type_.words(), option.description);
        example.extend(option.default.as_ref().map(|default| format!("{}: {default}", option.path)));
    }
    let given = if example.is_empty() { String::new() } else { format!(", options: {{{}}}", example.join(", ")) };
    text + &format!("\nexample\n  stages:\n    {}: {{kind: {}{given}}}\n", kind.name, kind.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_options_are_explained<C: StageContext>(kinds: &'static [Kind<C>]) {
        for kind in kinds {
            for option in kind.options() {
                assert!(!option.description.is_empty(), "{}: {} says not what it means", kind.name, option.path);
            }
            assert!(describe(kind).contains("example"));
        }
    }

    #[test]
    fn every_option_of_every_kind_says_what_it_means() {
        all_options_are_explained(&KINDS);
        all_options_are_explained(sim::KINDS);
    }
}
