//! A user: whether it may log in, with which passwords, and what it may do then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::selector::{Denied, RuleError, Selector};
use crate::cmd::{Args, Command};
use crate::words;

/// A user by name. Connections hold on to theirs, so a change of its rights is felt by those that are logged in.
pub struct User {
    name: Box<[u8]>,
    rights: RwLock<Arc<Rights>>,
    /// Nothing it asks needs looking into.
    unrestricted: AtomicBool,
    /// It was deleted: whoever is still logged in as it may do nothing.
    gone: AtomicBool,
}

impl User {
    pub(super) fn new(name: &[u8], rights: Rights) -> Self {
        Self {
            name: name.into(),
            unrestricted: AtomicBool::new(rights.is_everything()),
            rights: RwLock::new(Arc::new(rights)),
            gone: AtomicBool::new(false),
        }
    }

    /// The server itself, which is bound by no rule: what it reads from its own log runs whatever users may do. It goes by
    /// the default user's name.
    pub(in crate::cmd) fn server() -> Self {
        Self::new(super::DEFAULT, Rights::everything())
    }

    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether it may do everything. The one question on the way of each request.
    #[inline]
    pub(in crate::cmd) fn is_unrestricted(&self) -> bool {
        self.unrestricted.load(Ordering::Acquire)
    }

    pub(in crate::cmd) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    pub(super) fn rights(&self) -> Arc<Rights> {
        Arc::clone(&self.rights.read())
    }

    pub(super) fn set_rights(&self, rights: Rights) {
        let everything = rights.is_everything();
        let mut current = self.rights.write();
        // While the two are not of one mind, the rights are asked.
        self.unrestricted.store(false, Ordering::Release);
        *current = Arc::new(rights);
        self.unrestricted.store(everything, Ordering::Release);
    }

    /// It was deleted.
    pub(super) fn leave(&self) {
        self.gone.store(true, Ordering::Release);
        self.unrestricted.store(false, Ordering::Release);
    }

    /// Whether it may use a channel, or if `literal`, a pattern of channels.
    pub fn may_listen(&self, channel: &[u8], literal: bool) -> bool {
        let rights = self.rights();
        let mut selectors = rights.selectors.iter();
        selectors.any(|selector| selector.allows_channel(channel, literal))
    }
}

/// All that rules can say of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) on: bool,
    /// Any password is right.
    pub(super) nopass: bool,
    sanitize: bool,
    passwords: Vec<Hash>,
    /// The user's own, and those in parentheses. What one of them allows is allowed.
    selectors: Vec<Selector>,
}

/// SHA-256 of a password.
type Hash = [u8; 32];

impl Rights {
    /// A user of whom nothing was said yet.
    pub(super) fn new(all_channels: bool) -> Self {
        Self {
            on: false,
            nopass: false,
            sanitize: true,
            passwords: Vec::new(),
            selectors: vec![Selector::new(all_channels)],
        }
    }

    /// The default user of whom nothing was said: everybody may do everything.
    pub(super) fn everything() -> Self {
        let mut rights = Self::new(true);
        for rule in ["on", "nopass", "~*", "&*", "+@all"] {
            let applied = rights.apply(rule.as_bytes(), true);
            debug_assert_eq!(applied, Ok(()));
        }
        rights
    }

    fn is_everything(&self) -> bool {
        self.selectors.iter().any(Selector::is_everything)
    }

    /// Adds one rule to those before it; new selectors start with all channels if `all_channels`.
    pub(super) fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), RuleError> {
        let word = rule.to_ascii_lowercase();
        match word.as_slice() {
            b"" => {}
            b"on" => self.on = true,
            b"off" => self.on = false,
            b"nopass" => (self.nopass, self.passwords) = (true, Vec::new()),
            b"resetpass" => (self.nopass, self.passwords) = (false, Vec::new()),
            b"skip-sanitize-payload" => self.sanitize = false,
            b"sanitize-payload" => self.sanitize = true,
            b"clearselectors" => self.selectors.truncate(1),
            b"reset" => *self = Self::new(all_channels),
            _ => match rule {
                [b'>', password @ ..] => self.add_password(hash(password)),
                [b'#', text @ ..] => self.add_password(read_hash(text)?),
                [b'<', password @ ..] => self.remove_password(&hash(password))?,
                [b'!', text @ ..] => self.remove_password(&read_hash(text)?)?,
                [b'(', rules @ .., b')'] => {
                    let mut selector = Selector::new(all_channels);
                    for rule in words::split(rules).ok_or(RuleError::Syntax)? {
                        selector.apply(&rule)?;
                    }
                    self.selectors.push(selector);
                }
                _ => self.selectors[0].apply(rule)?,
            },
        }
        Ok(())
    }

    fn add_password(&mut self, hash: Hash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.nopass = false;
    }

    fn remove_password(&mut self, hash: &Hash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| known == hash);
        self.passwords.remove(at.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }

    /// Whether `password` lets in. Takes as long for a wrong one as for a right one.
    pub(super) fn admits(&self, password: &[u8]) -> bool {
        let given = hash(password);
        let right = self.passwords.iter().fold(Choice::from(0), |right, known| {
            right | known.as_slice().ct_eq(given.as_slice())
        });
        (bool::from(right) || self.nopass) && self.on
    }

    /// Whether the request that starts at `args` may run.
    pub(super) fn check(&self, command: &'static Command, args: Args<'_>) -> Result<(), Denied> {
        let mut worst = Denied::Command;
        for selector in &self.selectors {
            match selector.check(command, args) {
                Ok(()) => return Ok(()),
                Err(denied) => worst = worst.max(denied),
            }
        }
        Err(worst)
    }

    /// The words that say how it logs in, in the order in which they are shown.
    pub(super) fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.on { "on" } else { "off" }];
        if self.nopass {
            flags.push("nopass");
        }
        flags.push(match self.sanitize {
            true => "sanitize-payload",
            false => "skip-sanitize-payload",
        });
        flags
    }

    /// The hashes of its passwords, in hexadecimal.
    pub(super) fn passwords(&self) -> impl Iterator<Item = String> {
        self.passwords
            .iter()
            .map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(super) fn root(&self) -> &Selector {
        &self.selectors[0]
    }

    /// The selectors in parentheses.
    pub(super) fn others(&self) -> &[Selector] {
        &self.selectors[1..]
    }

    /// Rules that make the same user from nothing.
    pub(super) fn describe(&self) -> Vec<u8> {
        let mut parts = vec![self.flags().join(" ").into_bytes()];
        parts.extend(self.passwords().map(|hash| format!("#{hash}").into_bytes()));
        parts.push(self.root().describe());
        let others = self.others().iter();
        parts.extend(others.map(|other| [b"(", other.describe().as_slice(), b")"].concat()));
        parts.join(&b' ')
    }
}

fn hash(password: &[u8]) -> Hash {
    Sha256::digest(password).into()
}

/// Reads a hash as it is shown: 64 digits, letters in lower case.
fn read_hash(text: &[u8]) -> Result<Hash, RuleError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(RuleError::BadHash),
    };
    let mut hash = Hash::default();
    if text.len() != 2 * hash.len() {
        return Err(RuleError::BadHash);
    }
    for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(hash)
}

/// Joins what stands in parentheses to one rule, where spaces took it apart.
///
/// # Errors
/// The index of a rule that opens a parenthesis nobody closes.
pub(super) fn merge<R: AsRef<[u8]>>(rules: &[R]) -> Result<Vec<Vec<u8>>, usize> {
    let mut merged: Vec<Vec<u8>> = Vec::with_capacity(rules.len());
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (at, rule) in rules.iter().map(AsRef::as_ref).enumerate() {
        match open.take() {
            Some((start, mut text)) => {
                text.push(b' ');
                text.extend_from_slice(rule);
                match rule.ends_with(b")") {
                    true => merged.push(text),
                    false => open = Some((start, text)),
                }
            }
            None if rule.starts_with(b"(") && !rule.ends_with(b")") => {
                open = Some((at, rule.to_vec()));
            }
            None => merged.push(rule.to_vec()),
        }
    }
    match open {
        Some((start, _)) => Err(start),
        None => Ok(merged),
    }
}
