//! Users written down: the file that `aclfile` names, and the `user` lines of redis.conf.
//!
//! ```text
//! user alice on #<hash of a password> ~cached:* resetchannels -@all +get
//! ```
//!
//! In the file a line is a user, words are separated by single spaces and cannot be quoted, and there are no comments: it is
//! written anew by ACL SAVE.

use std::path::Path;
use std::{fs, io};

use super::Acl;
use super::selector::{RuleError, has_space};
use super::user::{self, Rights};
use crate::config::{self, Config, FatalConfig};

/// Why the server cannot start with the users it was given.
#[derive(Debug, thiserror::Error)]
pub enum AclError {
    #[error(
        "Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This setup \
         is very likely to lead to configuration errors and security holes, please define either an ACL file or declare \
         users directly in your redis.conf, but not both."
    )]
    Both,
    #[error(transparent)]
    Line(#[from] FatalConfig),
    #[error("Aborting Redis startup because of ACL errors: {0}")]
    File(String),
}

impl Acl {
    /// Makes the users that redis.conf and the file of users describe. To be called once, before anybody comes.
    ///
    /// # Errors
    /// The first `user` line that means nothing, or all that is wrong in the file.
    pub fn load_configured(&self, config: &Config) -> Result<(), AclError> {
        if config.aclfile().is_some() && !config.users().is_empty() {
            return Err(AclError::Both);
        }
        for (at, line) in config.users().iter().enumerate() {
            let fail = |what: &[u8], why: &str| {
                let what = String::from_utf8_lossy(what);
                line.fail(format!("Error in user declaration '{what}': {why}"))
            };
            let (name, rules) = line.words.split_first().expect("a user line names a user");
            if config.users()[..at]
                .iter()
                .any(|other| other.words[0] == *name)
            {
                let why = "Duplicate user found. A user can only be defined once in config files";
                return Err(fail(name, why).into());
            }
            if has_space(name) {
                return Err(fail(name, "Spaces not allowed in ACL usernames").into());
            }
            let rules = user::merge(rules).map_err(|at| fail(&rules[at], "Wrong format"))?;
            let all_channels = config.acl_pubsub_default();
            let mut rights = Rights::new(all_channels);
            for rule in &rules {
                let applied = rights.apply(rule, all_channels);
                applied.map_err(|error| fail(rule, &error.to_string()))?;
            }
            warn_if_off(name, &rights);
            self.set(name, all_channels, |current| {
                *current = rights;
                Ok::<_, AclError>(())
            })?;
        }
        match self.load_file(config) {
            None => Ok(()),
            Some(loaded) => loaded.map_err(AclError::File),
        }
    }

    /// Reads the users anew from the file, all of them or none. `None` if there is no file set; the
    /// error is all that is wrong with the file, in one line.
    pub(super) fn load_file(&self, config: &Config) -> Option<Result<(), String>> {
        let path = config.aclfile()?;
        let name = config.aclfile_as_written();
        let parsed = fs::read(path)
            .map_err(|error| {
                let why = config::system_text(&error);
                format!("Error loading ACLs, opening file '{name}': {why}")
            })
            .and_then(|text| parse(&text, &name, config.acl_pubsub_default()));
        Some(parsed.map(|users| self.replace(users)))
    }

    /// Writes all users into the file, in place of what is in it.
    pub(super) fn save_file(&self, path: &Path) -> io::Result<()> {
        let mut text = self.lines().join(&b'\n');
        text.push(b'\n');
        config::replace_file(path, &text)
    }
}

/// Having a user who cannot log in may be a mistake.
fn warn_if_off(name: &[u8], rights: &Rights) {
    if !rights.on {
        tracing::info!(
            "The user '{}' is disabled (there is no 'on' modifier in the user description). Make sure this is not a \
             configuration error.",
            String::from_utf8_lossy(name)
        );
    }
}

/// The users that a file's text describes, or all that is wrong with it.
fn parse(text: &[u8], file: &str, all_channels: bool) -> Result<Vec<(Vec<u8>, Rights)>, String> {
    let mut users: Vec<(Vec<u8>, Rights)> = Vec::new();
    let mut errors = String::new();
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let is_blank = |byte: &u8| b" \t\r\n".contains(byte);
        let line = trim(line, is_blank);
        if line.is_empty() {
            continue;
        }
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let [b"user", name, rules @ ..] = words.as_slice() else {
            errors += &format!(
                "{file}:{number} should start with user keyword followed by the username. "
            );
            continue;
        };
        let shown = String::from_utf8_lossy(name);
        if has_space(name) {
            errors +=
                &format!("'{file}:{number}: username '{shown}' contains invalid characters. ");
            continue;
        }
        if users.iter().any(|(known, _)| known == name) {
            errors += &format!("WARNING: Duplicate user '{shown}' found on line {number}. ");
            continue;
        }
        let Ok(rules) = user::merge(rules) else {
            errors += &format!("{file}:{number}: Unmatched parenthesis in selector definition. ");
            continue;
        };
        let mut rights = Rights::new(all_channels);
        let mut told = false;
        for rule in &rules {
            let rule = trim(rule, |byte| b"\t\r\n".contains(byte));
            match rights.apply(rule, all_channels) {
                Ok(()) => {}
                Err(error @ RuleError::Unknown) => {
                    let rule = String::from_utf8_lossy(rule);
                    errors += &format!(
                        "{file}:{number}: Error in applying operation '{rule}': {error}. "
                    );
                }
                // Others may follow from the first.
                Err(error) if !told => {
                    errors += &format!("{file}:{number}: {error}. ");
                    told = true;
                }
                Err(_) => {}
            }
        }
        users.push((name.to_vec(), rights));
    }
    if errors.is_empty() {
        return Ok(users);
    }
    Err(errors
        + "WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
}

fn trim(mut text: &[u8], blank: impl Fn(&u8) -> bool) -> &[u8] {
    while let [first, rest @ ..] = text
        && blank(first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && blank(last)
    {
        text = rest;
    }
    text
}
