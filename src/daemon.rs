//! `daemonize yes`: the server goes on in the background and the command returns.
//!
//! Redis forks. A process that is to have threads is better started anew: the same program with the same arguments, in a
//! process group of its own, with nothing to read from or write to, and a mark in its environment that tells it so.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::{env, io};

use anyhow::{Context as _, Result, bail};

const MARK: &str = "BITMAPD_DETACHED";

/// Whether this process is the one in the background.
pub fn is_detached() -> bool {
    env::var_os(MARK).is_some()
}

/// Starts this program again in the background. The caller should end once it has.
///
/// Settings from standard input are gone when the other process would read them, so they cannot be had together with
/// this.
pub fn detach(settings: &[OsString]) -> Result<()> {
    if settings.first().is_some_and(is_dash) || settings.last().is_some_and(is_dash) {
        bail!(
            "'daemonize yes' needs the settings in a file or as arguments, not on standard input"
        );
    }
    let name = env::args_os().next().unwrap_or_else(|| "bitmapd".into());
    let started = env::current_exe().and_then(|program| start(&program, &name, settings));
    started.context("Can't start the server in the background")
}

fn is_dash(word: &OsString) -> bool {
    word == "-"
}

fn start(program: &std::path::Path, name: &OsStr, settings: &[OsString]) -> io::Result<()> {
    let mut command = Command::new(program);
    command
        .arg0(name)
        .args(settings)
        .env(MARK, "1")
        .process_group(0);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().map(drop)
}
