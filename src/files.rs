//! The system's limit on open files, which every connection counts against: raised to what `maxclients` needs, or
//! `maxclients` lowered to what the limit allows.

use anyhow::{Context as _, Result, ensure};
use bitmapd::config::Config;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files the server opens for itself, as Redis reckons.
const OWN: u64 = 32;

/// Makes room for `maxclients` connections, now and whenever CONFIG SET changes it.
///
/// # Errors
/// If the limit leaves no room for a single client.
pub fn make_room(config: &Config) -> Result<()> {
    let wanted = config.maxclients();
    let before = limit();
    let raised = raise(wanted + OWN);
    let room = room_for(wanted);
    ensure!(
        room > 0,
        "Your current 'ulimit -n' of {before} is not enough for the server to start. Please increase your open file \
         limit to at least {}. Exiting.",
        wanted + OWN,
    );
    if room < wanted {
        tracing::warn!(
            "You requested maxclients of {wanted} requiring at least {} max file descriptors.",
            wanted + OWN
        );
        if let Err(error) = raised {
            tracing::warn!(
                "Server can't set maximum open files to {} because of OS error: {}.",
                wanted + OWN,
                error.desc()
            );
        }
        tracing::warn!(
            "Current maximum open files is {}. maxclients has been reduced to {room} to compensate for low ulimit. If \
             you need higher maxclients increase 'ulimit -n'.",
            limit()
        );
        config
            .set(&[(b"maxclients", room.to_string().as_bytes())], true)
            .context("lowering maxclients")?;
    } else if limit() > before {
        tracing::info!(
            "Increased maximum number of open files to {} (it was originally set to {before}).",
            limit()
        );
    }
    config.on_change("maxclients", |config| {
        // Whatever is refused, the limit that stays says how much room there is.
        let _ = raise(config.maxclients().saturating_add(OWN));
        let room = room_for(config.maxclients());
        if room >= config.maxclients() {
            return Ok(());
        }
        Err(format!("The operating system is not able to handle the specified number of clients, try with {room}"))
    });
    Ok(())
}

/// How many of `clients` there is room for.
fn room_for(clients: u64) -> u64 {
    limit().saturating_sub(OWN).min(clients)
}

/// Raises the limit to `files`, or else as far as it goes.
///
/// # Errors
/// What the system said against `files`.
fn raise(files: u64) -> nix::Result<()> {
    let (soft, hard) = limits();
    if soft >= files {
        return Ok(());
    }
    // Only root may raise the hard limit.
    let raised = setrlimit(Resource::RLIMIT_NOFILE, files, files.max(hard));
    if raised.is_err() && soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    raised
}

/// The number of files that may be open now.
fn limit() -> u64 {
    limits().0
}

/// The limit in force, and how far it may be raised. A system that does not tell is taken to have none.
fn limits() -> (u64, u64) {
    getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_clients_than_the_system_can_have_are_refused_with_a_number_that_works() {
        let config = Config::new();
        make_room(&config).expect("tests run with room for some clients");
        let most = config.maxclients();
        let set = |number: u64| config.set(&[(b"maxclients", number.to_string().as_bytes())], true);
        let error = set(u64::from(u32::MAX))
            .expect_err("nothing has four billion files")
            .to_string();
        let (text, number) = error.rsplit_once(' ').expect("words");
        assert_eq!(
            text,
            "CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to handle \
             the specified number of clients, try with"
        );
        assert_eq!(config.maxclients(), most);
        set(number.parse().expect("a number")).expect("what was advised works");
    }
}
