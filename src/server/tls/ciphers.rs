//! `tls-ciphers` and `tls-ciphersuites`: OpenSSL's names for what rustls has under its own.

use tokio_rustls::rustls::SupportedCipherSuite;
use tokio_rustls::rustls::crypto::ring;

/// The suites of TLS 1.2 there are, by the names OpenSSL and IANA give them. Those of 1.3 have one name.
const NAMES: [(&str, &str); 6] = [
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
];

/// Words that stand for many ciphers, and among them for all that there are here: each is strong and has forward secrecy.
const GROUPS: [&str; 8] = [
    "DEFAULT", "ALL", "HIGH", "SECURE", "ECDHE", "KECDHE", "EECDH", "AEAD",
];

/// The suites that the two settings allow, the preferred ones first: of TLS 1.3 by `suites`, of 1.2 by `ciphers`. Either may
/// be empty, for all of them.
///
/// In `ciphers`, words that start with `!` or `-` take away. OpenSSL's language has more than this; what is not understood
/// is told in the log and allows nothing.
pub(super) fn choose(ciphers: &str, suites: &str) -> Result<Vec<SupportedCipherSuite>, String> {
    let (newer, older): (Vec<_>, Vec<_>) = (ring::default_provider().cipher_suites)
        .into_iter()
        .partition(|suite| suite.tls13().is_some());
    let mut chosen = filter("tls-ciphersuites", suites, &newer)?;
    chosen.extend(filter("tls-ciphers", ciphers, &older)?);
    Ok(chosen)
}

fn filter(
    setting: &str,
    words: &str,
    all: &[SupportedCipherSuite],
) -> Result<Vec<SupportedCipherSuite>, String> {
    if words.is_empty() {
        return Ok(all.to_vec());
    }
    let mut chosen: Vec<SupportedCipherSuite> = Vec::new();
    for word in words.split([':', ',', ' ']).filter(|word| !word.is_empty()) {
        let (taken, word) = match word.strip_prefix(['!', '-']) {
            Some(word) => (true, word),
            None => (false, word.strip_prefix('+').unwrap_or(word)),
        };
        let meant: Vec<SupportedCipherSuite> = all
            .iter()
            .copied()
            .filter(|suite| is_meant(word, *suite))
            .collect();
        if taken {
            chosen.retain(|suite| !meant.contains(suite));
            continue;
        }
        if meant.is_empty() {
            tracing::warn!("{setting}: '{word}' names no cipher that is offered here");
        }
        for suite in meant {
            if !chosen.contains(&suite) {
                chosen.push(suite);
            }
        }
    }
    if chosen.is_empty() {
        return Err(format!(
            "Failed to configure ciphers: {setting} leaves none"
        ));
    }
    Ok(chosen)
}

fn is_meant(word: &str, suite: SupportedCipherSuite) -> bool {
    let name = suite.suite().as_str().unwrap_or_default();
    let iana = name.replacen("TLS13_", "TLS_", 1);
    let openssl = NAMES.iter().find(|(_, known)| *known == iana);
    GROUPS.iter().any(|group| group.eq_ignore_ascii_case(word))
        || iana.eq_ignore_ascii_case(word)
        || openssl.is_some_and(|(openssl, _)| openssl.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ciphers: &str, suites: &str) -> Result<Vec<&'static str>, String> {
        let chosen = choose(ciphers, suites)?;
        Ok(chosen
            .iter()
            .filter_map(|suite| suite.suite().as_str())
            .collect())
    }

    #[test]
    fn every_suite_of_the_older_protocol_has_a_name_in_openssl() {
        let all = ring::default_provider().cipher_suites;
        let older = all.iter().filter(|suite| suite.tls13().is_none());
        let known = older.filter(|suite| NAMES.iter().any(|(name, _)| is_meant(name, **suite)));
        assert_eq!(known.count(), NAMES.len());
        assert_eq!(all.len(), NAMES.len() + 3);
    }

    #[test]
    fn names_choose_and_order_and_take_away() {
        assert_eq!(names("", "").map(|all| all.len()), Ok(9));
        assert_eq!(names("DEFAULT:!MEDIUM", "").map(|all| all.len()), Ok(9));
        let one = names(
            "ecdhe-rsa-aes256-gcm-sha384:AES128-SHA",
            "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
        );
        let told = [
            "TLS13_CHACHA20_POLY1305_SHA256",
            "TLS13_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        ];
        assert_eq!(one, Ok(told.to_vec()));
        let fewer = names("HIGH:!ECDHE-RSA-CHACHA20-POLY1305", "").expect("some are left");
        assert_eq!(fewer.len(), 8);
        assert!(names("AES128-SHA", "").is_err() && names("", "!ALL").is_err());
    }
}
