use super::*;

fn reads(words: &str) -> Option<usize> {
    protocols(words).ok().map(|versions| versions.len())
}

#[test]
fn protocols_are_chosen_by_name() {
    assert_eq!(reads(""), Some(2));
    assert_eq!(reads("TLSv1.3"), Some(1));
    assert_eq!(reads("tlsv1.2 TLSv1.3"), Some(2));
    assert_eq!(
        reads("TLSv1.1 TLSv1.2"),
        Some(1),
        "what is older is left out"
    );
    assert_eq!(
        (reads("TLSv1"), reads("SSLv3"), reads("nonsense")),
        (None, None, None)
    );
}

#[test]
fn what_is_missing_is_told_before_anything_is_opened() {
    let told = |settings: &str| {
        let mut config = Config::new();
        config.load_text(settings).expect("these are settings");
        let error = server_config(&config).expect_err("something is missing");
        error.to_string()
    };
    assert_eq!(told(""), "No tls-cert-file configured!");
    let text = told("tls-cert-file /nonexistent/a.crt");
    assert!(
        text.starts_with("Failed to load certificate: /nonexistent/a.crt: No such"),
        "{text}"
    );
    let text = told("tls-ciphers NOTHING");
    assert_eq!(text, "Failed to configure ciphers: tls-ciphers leaves none");
}
