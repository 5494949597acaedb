//! TLS: from the settings to something that shakes hands. The cryptography is rustls's.
//!
//! What OpenSSL has and rustls does not (versions before 1.2, Diffie-Hellman parameters, keys encrypted in the manner of
//! old PEM files, certificates before X.509 v3) is refused with a reason where it was asked for.

mod ciphers;

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, future::Future, time::Duration};

use parking_lot::RwLock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{
    NoClientAuth, NoServerSessionStorage, ServerSessionMemoryCache, WebPkiClientVerifier,
};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, rustls};

use crate::config::{Config, TlsAuthClients};

/// How long a client may take to shake hands.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there can be no TLS with these settings. For the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

impl TlsError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    fn about(what: &str, path: &Path, why: impl Display) -> Self {
        Self(format!("Failed to load {what}: {}: {why}", path.display()))
    }
}

/// What the settings that concern TLS come to. Connections that are there keep what they were made with.
#[derive(Default)]
pub(super) struct Tls(RwLock<Option<TlsAcceptor>>);

impl Tls {
    /// Reads the settings, and the files they name, anew. If that fails, all stays as it was.
    pub(super) fn follow_settings(&self, config: &Config) -> Result<(), TlsError> {
        let acceptor = match config.tls_port() {
            Some(_) => Some(TlsAcceptor::from(Arc::new(server_config(config)?))),
            None => None,
        };
        *self.0.write() = acceptor;
        Ok(())
    }

    /// Shakes hands with whoever is at the other end, in a bounded time.
    pub(super) fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> impl Future<Output = io::Result<TlsStream<S>>> + use<S> {
        let acceptor = self.0.read().clone();
        async move {
            let acceptor = acceptor.ok_or(io::ErrorKind::ConnectionRefused)?;
            tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await?
        }
    }
}

/// The names of the settings that [`Tls::follow_settings`] reads, but for `tls-port`.
pub(super) const SETTINGS: [&str; 12] = [
    "tls-cert-file",
    "tls-key-file",
    "tls-key-file-pass",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
    "tls-auth-clients",
    "tls-protocols",
    "tls-ciphers",
    "tls-ciphersuites",
    "tls-prefer-server-ciphers",
    "tls-session-caching",
    "tls-session-cache-size",
];

fn server_config(config: &Config) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(CryptoProvider {
        cipher_suites: ciphers::choose(&config.tls_ciphers(), &config.tls_ciphersuites())
            .map_err(TlsError::new)?,
        ..ring::default_provider()
    });
    let chain = certificates(
        "certificate",
        &(config.tls_cert_file()).ok_or_else(|| TlsError::new("No tls-cert-file configured!"))?,
    )?;
    let key = private_key(
        &(config.tls_key_file()).ok_or_else(|| TlsError::new("No tls-key-file configured!"))?,
        &config.tls_key_file_pass(),
    )?;
    let failed = |error: rustls::Error| {
        TlsError::new(format!(
            "The certificate and its key cannot be used: {error}"
        ))
    };
    let mut tls = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&protocols(&config.tls_protocols())?)
        .map_err(failed)?
        .with_client_cert_verifier(verifier(config, provider)?)
        .with_single_cert(chain, key)
        .map_err(failed)?;
    tls.ignore_client_order = config.tls_prefer_server_ciphers();
    match config.tls_session_cache() {
        Some(sessions) => tls.session_storage = ServerSessionMemoryCache::new(sessions),
        None => {
            tls.session_storage = Arc::new(NoServerSessionStorage {});
            tls.send_tls13_tickets = 0;
        }
    }
    Ok(tls)
}

/// What `tls-protocols` says; nothing means all there are.
fn protocols(words: &str) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let mut versions = Vec::new();
    for word in words.split_ascii_whitespace() {
        versions.push(match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => &version::TLS12,
            "tlsv1.3" => &version::TLS13,
            old @ ("tlsv1" | "tlsv1.1") => {
                tracing::warn!("tls-protocols: {old} is not offered, it is no longer safe");
                continue;
            }
            _ => {
                return Err(TlsError::new(
                    "Invalid tls-protocols specified. Use a combination of TLSv1.2 and TLSv1.3",
                ));
            }
        });
    }
    match (versions.is_empty(), words.trim().is_empty()) {
        (true, true) => Ok(vec![&version::TLS13, &version::TLS12]),
        (true, false) => Err(TlsError::new(
            "tls-protocols leaves no protocol. Use a combination of TLSv1.2 and TLSv1.3",
        )),
        (false, _) => Ok(versions),
    }
}

/// Who looks at the certificates of clients.
fn verifier(
    config: &Config,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let wanted = config.tls_auth_clients();
    let mut files: Vec<PathBuf> = config.tls_ca_cert_file().into_iter().collect();
    if let Some(dir) = config.tls_ca_cert_dir() {
        let entries = fs::read_dir(&dir)
            .map_err(|error| TlsError::about("CA certificates", &dir, error))?
            .flatten()
            .map(|entry| entry.path());
        files.extend(entries.filter(|path| path.is_file()));
    }
    let mut roots = RootCertStore::empty();
    for file in &files {
        for certificate in certificates("CA certificate", file)? {
            roots
                .add(certificate)
                .map_err(|error| TlsError::about("CA certificate", file, error))?;
        }
    }
    if wanted == TlsAuthClients::No {
        return Ok(Arc::new(NoClientAuth));
    }
    if roots.is_empty() {
        return Err(TlsError::new(
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-auth-clients is enabled!",
        ));
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match wanted {
        TlsAuthClients::Optional => builder.allow_unauthenticated(),
        TlsAuthClients::Yes | TlsAuthClients::No => builder,
    };
    builder
        .build()
        .map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
        .map_err(|error| {
            TlsError::new(format!(
                "Failed to configure the check of clients' certificates: {error}"
            ))
        })
}

/// The certificates in a PEM file, of which there is one at least.
fn certificates(what: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = fs::read(path).map_err(|error| TlsError::about(what, path, error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| TlsError::about(what, path, error))?;
    if found.is_empty() {
        return Err(TlsError::about(what, path, "no certificate in it"));
    }
    Ok(found)
}

/// The private key in a PEM file: PKCS#8, PKCS#1 or SEC1; of these PKCS#8 may be encrypted.
fn private_key(path: &Path, password: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    let failed = |why: &dyn Display| TlsError::about("private key", path, why);
    let text = fs::read(path).map_err(|error| failed(&error))?;
    let has = |words: &[u8]| text.windows(words.len()).any(|part| part == words);
    if has(b"Proc-Type: 4,ENCRYPTED") {
        return Err(failed(
            &"it is encrypted in an old manner; turn it into PKCS#8 with 'openssl pkcs8 -topk8'",
        ));
    }
    if !has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        return PrivateKeyDer::from_pem_slice(&text).map_err(|error| failed(&error));
    }
    let text = str::from_utf8(&text).map_err(|error| failed(&error))?;
    let (_, sealed) = pkcs8::SecretDocument::from_pem(text).map_err(|error| failed(&error))?;
    let key = pkcs8::EncryptedPrivateKeyInfo::try_from(sealed.as_bytes())
        .and_then(|sealed| sealed.decrypt(password))
        .map_err(|error| failed(&format!("{error}, is tls-key-file-pass the right one?")))?;
    Ok(PrivateKeyDer::Pkcs8(key.as_bytes().to_vec().into()))
}

#[cfg(test)]
#[path = "tls/tests.rs"]
mod tests;
