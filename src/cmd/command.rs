//! What a row of the command table says, and what follows from it: arity, locking, COMMAND INFO.

use bitflags::bitflags;

use super::{Args, CmdResult, Context};
use crate::number::parse_i64;
use crate::resp::Request;
use crate::store::{Access, Look};

/// A command's body: arguments in, reply out. It runs with its row's keys locked and must not wait for anything.
pub type Handler = fn(&mut Context<'_>, Args<'_>) -> CmdResult;

/// One command, or one subcommand of a container such as CLIENT.
pub struct Command {
    /// Lower case; `container|subcommand` for a subcommand.
    pub name: &'static str,
    /// As COMMAND INFO counts: the name is one, negative means "at least".
    pub arity: i8,
    pub flags: Flags,
    /// Where its keys are, with what is done to each.
    pub keys: &'static [KeySpec],
    /// What is locked while it runs.
    pub scope: Scope,
    /// Categories besides those that follow from the flags.
    pub categories: Categories,
    /// Hints for clients and proxies, as COMMAND INFO lists them.
    pub tips: &'static [&'static str],
    pub subcommands: &'static [Command],
    /// Index of the first argument after the name (and the subcommand).
    pub args_at: usize,
    /// The bit of its key that it looks at first, as far as a request tells without being judged.
    pub bit: Option<fn(Request<'_>) -> Option<Look>>,
    pub run: Handler,
}

/// What is locked while a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The keys its specs name.
    Keys,
    /// Nothing: it touches no key.
    Nothing,
    /// Every key of every database.
    Everything(Access),
    /// Nothing by itself, as the handler locks what it needs when it knows ([`Context::lock_everything`], or shard by
    /// shard in a scan). Inside a transaction, every key.
    Walk(Access),
}

bitflags! {
    /// COMMAND INFO's flags, in the order Redis prints them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u32 {
        const WRITE = 1;
        const READONLY = 1 << 1;
        const DENYOOM = 1 << 2;
        const MODULE = 1 << 3;
        const ADMIN = 1 << 4;
        const PUBSUB = 1 << 5;
        const NOSCRIPT = 1 << 6;
        const BLOCKING = 1 << 7;
        const LOADING = 1 << 8;
        const STALE = 1 << 9;
        const SKIP_MONITOR = 1 << 10;
        const SKIP_SLOWLOG = 1 << 11;
        const ASKING = 1 << 12;
        const FAST = 1 << 13;
        const NO_AUTH = 1 << 14;
        const MAY_REPLICATE = 1 << 15;
        const NO_MANDATORY_KEYS = 1 << 16;
        const PROTECTED = 1 << 17;
        const NO_ASYNC_LOADING = 1 << 18;
        const NO_MULTI = 1 << 19;
        const ALLOW_BUSY = 1 << 20;
        const MOVABLE_KEYS = 1 << 21;
    }

    /// ACL categories, in the order Redis prints them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Categories: u32 {
        const KEYSPACE = 1;
        const READ = 1 << 1;
        const WRITE = 1 << 2;
        const SET = 1 << 3;
        const SORTEDSET = 1 << 4;
        const LIST = 1 << 5;
        const HASH = 1 << 6;
        const STRING = 1 << 7;
        const BITMAP = 1 << 8;
        const HYPERLOGLOG = 1 << 9;
        const GEO = 1 << 10;
        const STREAM = 1 << 11;
        const PUBSUB = 1 << 12;
        const ADMIN = 1 << 13;
        const FAST = 1 << 14;
        const SLOW = 1 << 15;
        const BLOCKING = 1 << 16;
        const DANGEROUS = 1 << 17;
        const CONNECTION = 1 << 18;
        const TRANSACTION = 1 << 19;
        const SCRIPTING = 1 << 20;
    }

    /// What a command does to the keys of one spec, in the order Redis prints it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct KeyFlags: u32 {
        const RO = 1;
        const RW = 1 << 1;
        const OW = 1 << 2;
        const RM = 1 << 3;
        const ACCESS = 1 << 4;
        const UPDATE = 1 << 5;
        const INSERT = 1 << 6;
        const DELETE = 1 << 7;
        const NOT_KEY = 1 << 8;
        const INCOMPLETE = 1 << 9;
        const VARIABLE_FLAGS = 1 << 10;
    }
}

/// Where some of a command's keys are among its arguments.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    pub flags: KeyFlags,
    /// Index of the first key; the command's name is 0. Where the keys are counted, index of their number.
    pub first: usize,
    /// Whether an argument says how many keys follow it; then `last` means nothing.
    pub counted: bool,
    /// Index of the last key, counted from `first`; negative counts from the last argument (-1).
    pub last: isize,
    /// Distance between keys.
    pub step: usize,
    /// Said in COMMAND INFO; empty where there is nothing to say.
    pub note: &'static str,
}

impl KeySpec {
    /// One key at argument `first`.
    pub const fn one(flags: KeyFlags, first: usize) -> Self {
        Self {
            flags,
            first,
            counted: false,
            last: 0,
            step: 1,
            note: "",
        }
    }

    /// Every `step`-th argument from the first to the end.
    pub const fn rest(self, step: usize) -> Self {
        Self {
            last: -1,
            step,
            ..self
        }
    }

    /// As many keys as the argument at `first` says, behind it.
    pub const fn counted(self) -> Self {
        Self {
            counted: true,
            last: -1,
            ..self
        }
    }

    /// The keys go on up to `last` arguments after the first.
    pub const fn through(self, last: isize) -> Self {
        Self { last, ..self }
    }

    /// What is done to the keys depends on the other arguments; the flags say all it may be.
    pub const fn varies(self) -> Self {
        Self {
            flags: self.flags.union(KeyFlags::VARIABLE_FLAGS),
            ..self
        }
    }

    pub const fn noted(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    /// The keys of `request` this spec names.
    pub fn keys<'a>(&self, request: Request<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.positions(Args::new(request, 0))
            .filter_map(move |at| request.get(at))
    }

    /// Where those keys are in `args`, which begin with the command's name. May go on past their end. None where there are
    /// not as many as `args` say.
    pub(super) fn positions(&self, args: Args<'_>) -> impl Iterator<Item = usize> + use<> {
        let first = self.first;
        let keys = if self.counted {
            let number = args.get(first).and_then(parse_i64).unwrap_or_default();
            let number = usize::try_from(number).unwrap_or_default();
            let (first, there) = (first + 1, args.len().saturating_sub(first + 1));
            first..first + if number <= there { number } else { 0 }
        } else if self.last < 0 {
            first..args.len().saturating_add_signed(self.last + 1)
        } else {
            first..first.saturating_add_signed(self.last + 1)
        };
        keys.step_by(self.step)
    }

    /// Whether there is always one key, at argument `first`.
    #[inline]
    pub(super) fn is_one(&self) -> bool {
        self.last == 0 && !self.counted
    }

    /// Where the first key is, if there is one.
    pub(super) fn first_key(&self) -> usize {
        self.first + usize::from(self.counted)
    }

    pub(super) fn access(&self) -> Access {
        if self.flags.contains(KeyFlags::RO) {
            Access::Read
        } else {
            Access::Write
        }
    }
}

impl Command {
    /// Whether a request of `len` arguments, name included, fits the arity.
    #[inline]
    pub fn admits(&self, len: usize) -> bool {
        let (len, arity) = (len as isize, isize::from(self.arity));
        len == arity || (arity < 0 && len >= -arity)
    }

    /// Whether what it does has to happen on replicas as well: it writes, or publishes.
    pub fn changes_replicas(&self) -> bool {
        self.flags.contains(Flags::WRITE) || matches!(self.name, "publish" | "spublish")
    }

    /// The bit of its first key that it looks at first, if `request` names one.
    #[inline]
    pub(super) fn bit_of(&self, request: Request<'_>) -> Option<Look> {
        self.bit.and_then(|bit| bit(request))
    }

    /// The keys of `request`, with how each must be locked.
    pub fn keys_of<'a>(
        &self,
        request: Request<'a>,
    ) -> impl Iterator<Item = (&'a [u8], Access)> + use<'a> {
        let keys: &'static [KeySpec] = self.keys;
        keys.iter()
            .flat_map(move |spec| spec.keys(request).map(|key| (key, spec.access())))
    }

    /// The keys as COMMAND INFO gave them before there were specs: index of the first, of the last (negative counts from the
    /// end), and the distance between two. All zero if there are none, or if only a request tells where.
    pub fn legacy_range(&self) -> [i64; 3] {
        let (Some(first), Some(last)) = (self.keys.first(), self.keys.last()) else {
            return [0; 3];
        };
        if first.counted {
            return [0; 3];
        }
        let end = match last.last {
            from_end if from_end < 0 => from_end as i64,
            offset => last.first as i64 + offset as i64,
        };
        [first.first as i64, end, first.step as i64]
    }

    /// All its ACL categories: its own and those that follow from its flags.
    pub fn all_categories(&self) -> Categories {
        let mut all = self.categories;
        let follows = [
            (Flags::WRITE, Categories::WRITE),
            (Flags::PUBSUB, Categories::PUBSUB),
            (Flags::FAST, Categories::FAST),
            (Flags::BLOCKING, Categories::BLOCKING),
            (Flags::ADMIN, Categories::ADMIN.union(Categories::DANGEROUS)),
        ];
        for (flag, categories) in follows {
            if self.flags.contains(flag) {
                all |= categories;
            }
        }
        if self.flags.contains(Flags::READONLY) && !all.contains(Categories::SCRIPTING) {
            all |= Categories::READ;
        }
        if !all.contains(Categories::FAST) {
            all |= Categories::SLOW;
        }
        all
    }
}
