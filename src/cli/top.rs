//! `trackflow top`: watches a running job by the status that it serves: who is busy, who waits, and one sentence on why.

mod ask;
mod screen;
mod window;

use crate::{failure::Result, monitor::live::DEFAULT_ADDRESS, session::watch, telemetry::log};
use ask::ask;
use clap::Args;
use screen::screen;
use std::{io::IsTerminal, net::SocketAddr, time::Duration};
use window::{Next, Window};

/// `trackflow top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Address of the job's page and metrics, as the job printed it
    #[arg(default_value_t = DEFAULT_ADDRESS, value_parser = watch::address)]
    address: SocketAddr,
    /// Seconds between two updates
    #[arg(long, default_value_t = 1.0)]
    interval: f64,
    /// Print once and exit
    #[arg(long)]
    once: bool,
}

/// Shows the job until it is gone, or the user leaves with `q`. Where there is no terminal, one screen follows another.
///
/// # Errors
/// Nobody answers at the address.
pub fn top(args: &TopArgs) -> Result<()> {
    let interval = Duration::from_secs_f64(args.interval.clamp(0.1, 3600.0));
    let mut before = ask(args.address)?;
    let window = if std::io::stdout().is_terminal() && !args.once { Window::open().ok() } else { None };
    if let Some(window) = &window {
        // What was asked first stands there until there are rates.
        let _ = window.draw(&screen(&before, &before, Window::size().0));
    }
    let mut newest = None;
    loop {
        let next = match &window {
            // A terminal that is gone is left.
            Some(window) => window.wait(interval).unwrap_or(Next::Leave),
            None => {
                std::thread::sleep(interval);
                Next::Look
            }
        };
        match next {
            Next::Leave => return Ok(()),
            Next::Draw => {}
            Next::Look => {
                let Ok(now) = ask(args.address) else {
                    drop(window);
                    println!("the job at {} has ended", args.address);
                    return Ok(());
                };
                let last = newest.replace(now);
                before = last.unwrap_or(before);
            }
        }
        let Some(now) = &newest else { continue };
        match &window {
            Some(window) => {
                if window.draw(&screen(&before, now, Window::size().0)).is_err() {
                    return Ok(());
                }
            }
            None => {
                let columns = crate::telemetry::terminal::columns().unwrap_or(usize::MAX);
                log::piece(&screen(&before, now, columns));
                log::written()?;
            }
        }
        if args.once {
            return Ok(());
        }
    }
}
