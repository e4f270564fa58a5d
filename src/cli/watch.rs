//! The address at which a run can be watched.

use crate::{
    failure::Result,
    monitor::live::{self, Live},
};
use std::{net::SocketAddr, sync::Arc};

/// Serves `live` and the metrics at `address`, and gives the lines that say where.
///
/// # Errors
/// The address cannot be had.
pub(super) fn serve(address: Option<SocketAddr>, live: &Arc<Live>) -> Result<Vec<String>> {
    let bound = live::serve(address, Arc::clone(live))?;
    let mut lines = vec![format!("metrics: http://{bound}/metrics"), format!("live page: http://{bound}/")];
    if !bound.ip().is_loopback() {
        lines.push(format!(
            "warning: everyone who reaches {bound} can read losses, paths and messages of this run; \
             without --metrics it is 127.0.0.1 alone"
        ));
    }
    Ok(lines)
}
