//! `unspool serve`: trained models over HTTP, until a signal comes.

use crate::{
    any_task::AnyTask,
    commands::ServeOptions,
    error::{Error, Result},
    lines, restore,
    run::{MODEL, RunFolder, SAVED},
    say, signals,
};
use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs},
    path::Path,
    sync::Arc,
};
use unspool_serve::{Limits, Model};

/// Serves the models of some run folders. The first line of standard output is the address.
pub(crate) fn serve(tasks: &[&'static dyn AnyTask], options: &ServeOptions) -> Result<()> {
    let stop = signals::watch();
    let models = options.model.iter().map(|path| model(tasks, path)).collect::<Result<Vec<_>>>()?;
    let listener = listen(&options.host, options.port)?;
    let failed = |cause: std::io::Error| Error::failure(format!("cannot serve: {cause}"), "");
    let address = listener.local_addr().map_err(failed)?;
    lines::print(&format!("http://{address}/"))?;
    if !address.ip().is_loopback() {
        say::warning(&format!("everyone who reaches {address} can use the models: --host 127.0.0.1 keeps them out"));
    }
    unspool_serve::serve_as(listener, &options.host, models, &Limits::default(), stop).map_err(failed)?;
    signals::check()
}

/// The model of a run folder, which may have no weights yet.
fn model(tasks: &[&'static dyn AnyTask], path: &Path) -> Result<Arc<dyn Model>> {
    let has_begun = path.join(SAVED).is_file() && !path.join(MODEL).exists();
    let folder = if has_begun { RunFolder::of_another(path.to_path_buf()) } else { RunFolder::open(path)? };
    restore::task_of(&folder, tasks)?.serve(path.to_path_buf())
}

fn listen(host: &str, port: u16) -> Result<TcpListener> {
    let named = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<SocketAddr> = match named.parse::<IpAddr>() {
        Ok(address) => vec![(address, port).into()],
        Err(_) => (named, port)
            .to_socket_addrs()
            .map_err(|cause| {
                let message = format!("--host {host}: no such address or name: {cause}");
                Error::misuse(message, "127.0.0.1 is this machine alone, and 0.0.0.0 every network it is on")
            })?
            .collect(),
    };
    TcpListener::bind(addresses.as_slice()).map_err(|cause| {
        let hint = match cause.kind() {
            ErrorKind::AddrInUse => "another program listens there: choose another --port; 0 takes a free one",
            ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher --port",
            _ => "--host must be an address of this machine",
        };
        Error::failure(format!("cannot listen on {host}, port {port}: {cause}"), hint)
    })
}
