//! The settings whose value is one of a few words, as Rust types, for the code that acts on them.

use super::kind::Choices;

/// Declares such a type, its words in the order error texts list them, and the way back from the stored number.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            const ALL: &[$name] = &[$($name::$variant,)+];
            pub(super) const CHOICES: Choices = &[$(($word, $name::$variant as i64),)+];

            /// The variant with this number. Numbers come from [`Self::CHOICES`] alone, so the first is never a guess.
            pub(super) fn from_number(number: i64) -> Self {
                let at = usize::try_from(number).unwrap_or(0);
                Self::ALL.get(at).copied().unwrap_or(Self::ALL[0])
            }

            /// The word that stands for it in a file and in CONFIG GET.
            pub fn word(self) -> &'static str {
                Self::CHOICES[self as usize].0
            }
        }
    };
}

choice! {
    /// `appendfsync`: when the append-only file reaches the disk.
    AppendFsync {
        /// Once a second.
        EverySecond = "everysec",
        /// Before the reply to the command that wrote.
        Always = "always",
        /// Whenever the system likes.
        No = "no",
    }
}

choice! {
    /// `tls-auth-clients`: whether clients have to show a certificate.
    TlsAuthClients {
        No = "no",
        Yes = "yes",
        /// It is looked at if there is one.
        Optional = "optional",
    }
}

choice! {
    /// `loglevel`: the least important messages that are still logged.
    LogLevel {
        Debug = "debug",
        Verbose = "verbose",
        Notice = "notice",
        Warning = "warning",
        Nothing = "nothing",
    }
}

choice! {
    /// `maxmemory-policy`: what gives way when `maxmemory` is reached.
    MaxmemoryPolicy {
        VolatileLru = "volatile-lru",
        VolatileLfu = "volatile-lfu",
        VolatileRandom = "volatile-random",
        VolatileTtl = "volatile-ttl",
        AllkeysLru = "allkeys-lru",
        AllkeysLfu = "allkeys-lfu",
        AllkeysRandom = "allkeys-random",
        NoEviction = "noeviction",
    }
}

choice! {
    /// Who may use something dangerous: `enable-debug-command`, `enable-protected-configs`, `enable-module-command`.
    Permission {
        No = "no",
        Yes = "yes",
        /// Connections from this machine: loopback addresses and the Unix socket.
        Local = "local",
    }
}

impl MaxmemoryPolicy {
    /// Whether keys go by how often they are used (the LFU policies).
    pub fn by_frequency(self) -> bool {
        matches!(
            self,
            MaxmemoryPolicy::VolatileLfu | MaxmemoryPolicy::AllkeysLfu
        )
    }

    /// Whether only keys with an expiry may go.
    pub fn only_volatile(self) -> bool {
        matches!(
            self,
            MaxmemoryPolicy::VolatileLru
                | MaxmemoryPolicy::VolatileLfu
                | MaxmemoryPolicy::VolatileRandom
                | MaxmemoryPolicy::VolatileTtl
        )
    }
}

impl Permission {
    /// Whether a connection may, given whether it comes from this machine.
    pub fn allows(self, local: bool) -> bool {
        self == Permission::Yes || (self == Permission::Local && local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_name_the_same_variant() {
        for &(word, number) in MaxmemoryPolicy::CHOICES {
            assert_eq!(MaxmemoryPolicy::from_number(number).word(), word);
        }
        assert_eq!(LogLevel::from_number(2), LogLevel::Notice);
    }

    #[test]
    fn local_permission_is_for_local_connections() {
        assert!(Permission::Yes.allows(false) && !Permission::No.allows(true));
        assert!(Permission::Local.allows(true) && !Permission::Local.allows(false));
    }
}
