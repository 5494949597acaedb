//! The program: arguments to settings, settings to a running server. The only place that prints or exits.

mod daemon;
mod files;
mod log;

use std::ffi::OsString;
use std::fs;
use std::panic::resume_unwind;
use std::process::{self, ExitCode};
use std::sync::{Arc, LazyLock};
use std::thread;

use anyhow::{Context as _, Result};
use bitmapd::bits::kernel;
use bitmapd::cmd::{self, Names, World};
use bitmapd::config::{Config, Loaded, REDIS_VERSION};
use bitmapd::priority::step_back;
use bitmapd::server::{Listen, Server, Signals};
use bitmapd::stats::Stats;
use bitmapd::store::Clock;
use clap::{ArgAction, Parser};
use tikv_jemalloc_ctl::background_thread;

/// Size classes close to what is asked for, and an honest count of what is in use.
///
/// For speed it hardly matters which allocator this is: GETBIT on a million keys, from fifty connections one by one and in
/// pipelines of ten, took 7.7 and 1.04 µs of server CPU with jemalloc, 7.6 and 1.00 with glibc's, 7.7 and 0.97 with
/// mimalloc (medians of five rounds in turn, redis-benchmark). For memory it does: 1.58 million keys, a million of them of
/// one byte and the others of 64, took 127 MB with jemalloc, 151 with either of the others.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const USAGE: &str = "bitmapd [/path/to/redis.conf] [--name value ...] [-]
       bitmapd - (read the settings from standard input)";

const EXAMPLES: &str = "Examples:
  bitmapd                                            defaults: port 6379
  bitmapd --port 7777 --maxmemory 2gb --save 60 1
  bitmapd /etc/redis/redis.conf --loglevel verbose
  echo 'maxmemory 128mb' | bitmapd -

Every setting of redis.conf can be given by its name with two dashes before it.";

/// A Redis-compatible server for bitmaps: the same bytes to every client, compressed and counted inside.
#[derive(Parser)]
#[command(display_name = "Redis server", version = VERSIONS.as_str(), disable_version_flag = true)]
#[command(override_usage = USAGE, after_help = EXAMPLES)]
struct Cli {
    /// Print the versions: Redis's, which is followed, and bitmapd's own
    #[arg(short = 'v', long = "version", action = ArgAction::Version)]
    version: Option<bool>,

    /// A configuration file first, if any; then settings and their values
    // What dashes mean in them is for `Config` to say: from the first word that is not an option above, clap hands on
    // everything as it is.
    #[arg(
        value_name = "SETTINGS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    settings: Vec<OsString>,
}

/// The rest of the line redis-server prints, in which tools look for ` v=`, and one of our own.
static VERSIONS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "v={REDIS_VERSION} sha=00000000:0 malloc=jemalloc-5.3.0 bits={} build=0000000000000000\nbitmapd {}",
        usize::BITS,
        env!("CARGO_PKG_VERSION"),
    )
});

fn main() -> ExitCode {
    // Until the log is there, what goes wrong is told on standard error; afterwards in the log.
    let configured = match configure(&Cli::parse().settings) {
        Ok(Some(configured)) => configured,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    match serve(configured) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What the server is told at its start.
struct Configured {
    config: Config,
    /// What the log should warn about.
    warnings: Vec<String>,
    names: Names,
}

/// Reads the settings and starts the log. Returns nothing if the server went to the background.
fn configure(settings: &[OsString]) -> Result<Option<Configured>> {
    let Loaded { config, warnings } = Config::from_args(settings)?;
    let names = Names::configured(&config)?;
    if config.daemonize() && !daemon::is_detached() {
        daemon::detach(settings)?;
        return Ok(None);
    }
    log::start(&config)?;
    Ok(Some(Configured {
        config,
        warnings,
        names,
    }))
}

/// Runs the server until something ends it.
fn serve(configured: Configured) -> Result<()> {
    let Configured {
        config,
        warnings,
        names,
    } = configured;
    let kernels = kernel::select(config.kernels().as_deref()).context("the setting 'kernels'")?;
    announce(&config, kernels.name(), &warnings);

    files::make_room(&config)?;
    give_memory_back();

    let config = Arc::new(config);
    let listen = Listen::from_config(&config);
    let mut world = World::new(Arc::clone(&config), Arc::new(Stats::new()), Clock::System);
    world.names = names;
    world.acl.load_configured(&config)?;
    if !config.save_points().is_empty() || config.appendonly() {
        world.saves.claim_directory().context(
            "Two servers must not save to one place: give this one a 'dir' of its own, or switch saving off (save \"\")",
        )?;
    }
    let world = Arc::new(world);
    let server = Server::bind(Arc::clone(&world), &listen)?;
    let _pidfile = PidFile::write(&config);
    server.run(Signals::Heed)?;
    cmd::end_log(&world);
    Ok(())
}

/// Has what was freed go back to the system also while nobody asks for anything. Not before `detach`: threads do not
/// follow.
fn give_memory_back() {
    // Which takes long after something large was freed, so the allocator's threads step back as the one does that starts
    // them.
    let start = || {
        step_back();
        background_thread::write(true)
    };
    match thread::spawn(start).join() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!("The allocator keeps freed memory until it is next used: {error}");
        }
        Err(panic) => resume_unwind(panic),
    }
}

/// The first lines of the log.
fn announce(config: &Config, kernels: &str, warnings: &[String]) {
    let own = env!("CARGO_PKG_VERSION");
    tracing::info!(
        "bitmapd {own} is starting: Redis version={REDIS_VERSION}, bits={}, mode=standalone, port={}, pid={}, \
         kernels={kernels}",
        usize::BITS,
        config.port(),
        process::id(),
    );
    match config.config_file() {
        Some(file) => tracing::info!("Configuration loaded from {}", file.display()),
        None => tracing::info!("Running without a config file"),
    }
    warnings
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
}

/// The file with the process's number, there as long as the server runs.
struct PidFile(std::path::PathBuf);

impl PidFile {
    /// Writes it where `pidfile` says. A server without one still serves, so failing to write it is only a warning.
    fn write(config: &Config) -> Option<Self> {
        let path = config.pidfile()?;
        match fs::write(&path, format!("{}\n", process::id())) {
            Ok(()) => Some(PidFile(path)),
            Err(error) => {
                tracing::warn!("Failed to write the pid file {}: {error}", path.display());
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(
                "Failed to remove the pid file {}: {error}",
                self.0.display()
            );
        }
    }
}
