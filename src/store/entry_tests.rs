use proptest::prelude::*;

use super::*;

fn bytes(view: View<'_>) -> Vec<u8> {
    view.to_vec()
}

/// The sizes that the memory targets rest on.
#[test]
fn a_small_entry_is_as_small_as_drawn() {
    let key = [b'k'; 16];
    let flat = |len| {
        Entry::new(
            &key,
            None,
            0,
            Content::Flat(&[1; 128][..len], Encoding::Raw),
        )
    };
    assert_eq!(size_of::<Option<Entry>>(), 8);
    assert_eq!(flat(1).heap_bytes(), 32);
    assert_eq!(flat(8).heap_bytes(), 32);
    assert_eq!(flat(9).heap_bytes(), 48);
    assert_eq!(flat(64).heap_bytes(), 96);
    assert_eq!(flat(128).heap_bytes(), 160);
    let bitmap = Entry::new(&key, None, 0, Content::Bitmap(Bitmap::new()));
    assert_eq!(bitmap.heap_bytes(), 48);
    let expiring = Entry::new(&key, Some(1), 0, Content::Flat(b"", Encoding::Raw));
    assert_eq!(expiring.heap_bytes(), 32);
}

#[test]
fn size_classes_are_the_allocators() {
    for (size, class) in [
        (1, 16),
        (16, 16),
        (17, 32),
        (128, 128),
        (129, 160),
        (160, 160),
        (161, 192),
    ] {
        assert_eq!(size_class(size), class, "{size}");
    }
    for (size, class) in [
        (257, 320),
        (8193, 10240),
        (12289, 14336),
        (14337, 16384),
        (16385, 20480),
    ] {
        assert_eq!(size_class(size), class, "{size}");
    }
}

/// Around 65,536 the length of the key moves out of the header.
#[test]
fn a_key_may_be_of_any_length() {
    for len in [
        0,
        1,
        7,
        8,
        255,
        256,
        65_534,
        65_535,
        65_536,
        65_537,
        1 << 20,
    ] {
        let key: Vec<u8> = (0..len).map(|at| at as u8).collect();
        let mut entry = Entry::new(&key, None, 9, Content::Flat(b"12345", Encoding::Int));
        for expires_at in [None, Some(-5), Some(i64::MAX), None] {
            entry.set_expiry(expires_at);
            assert_eq!(entry.key(), key, "{len}");
            assert_eq!(bytes(entry.view()), b"12345", "{len}");
            assert_eq!(
                (entry.expires_at(), entry.accessed(), entry.encoding()),
                (expires_at, 9, Encoding::Int)
            );
        }
    }
}

#[test]
fn a_short_string_that_outgrows_its_limit_becomes_a_bitmap_with_the_same_bytes() {
    let mut entry = Entry::new(b"k", Some(3), 1, Content::Flat(b"abc", Encoding::Embstr));
    assert!(
        matches!(entry.grow(FLAT_MAX as u64), Held::Flat(bytes) if bytes.len() == FLAT_MAX && &bytes[..3] == b"abc")
    );
    assert!(
        matches!(entry.grow(FLAT_MAX as u64 + 1), Held::Bitmap(bitmap) if bitmap.len() == FLAT_MAX as u64)
    );
    assert_eq!(
        (entry.key(), entry.expires_at(), entry.encoding()),
        (&b"k"[..], Some(3), Encoding::Raw)
    );
}

#[derive(Clone, Debug)]
enum Step {
    SetExpiry(Option<i64>),
    ReplaceFlat(Vec<u8>, u8),
    ReplaceBitmap(Vec<u8>),
    SetByte(u64, u8),
    Grow(u64),
    Access(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop::option::of(any::<i64>()).prop_map(Step::SetExpiry),
        (prop::collection::vec(any::<u8>(), 0..=FLAT_MAX), 0..3u8)
            .prop_map(|(b, e)| Step::ReplaceFlat(b, e)),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Step::ReplaceBitmap),
        (0..140u64, any::<u8>()).prop_map(|(at, byte)| Step::SetByte(at, byte)),
        (0..140u64).prop_map(Step::Grow),
        any::<u32>().prop_map(Step::Access),
    ]
}

#[test]
fn keys_are_the_same_if_every_byte_is() {
    for len in 0..70u8 {
        let key: Vec<u8> = (0..len).collect();
        assert!(is_same(&key, &key.clone()), "{len}");
        assert!(!is_same(&key, &[&key[..], b"x"].concat()), "{len}");
        for at in 0..key.len() {
            let mut other = key.clone();
            other[at] ^= 0x80;
            assert!(!is_same(&key, &other), "{at} of {len}");
        }
    }
}

proptest! {
    /// Every part keeps what it was given, whatever happens to the others.
    #[test]
    fn an_entry_is_what_was_put_into_it(
        key in prop::collection::vec(any::<u8>(), 0..40),
        expires_at in prop::option::of(any::<i64>()),
        steps in prop::collection::vec(step(), 0..30),
    ) {
        let mut entry = Entry::new(&key, expires_at, 7, Content::Flat(b"", Encoding::Raw));
        let mut model = (expires_at, 7, Vec::new(), Encoding::Raw);
        for step in steps {
            match step {
                Step::SetExpiry(at) => {
                    entry.set_expiry(at);
                    if at.is_some() != model.0.is_some() {
                        model.3 = model.3.under(key.len(), model.2.len(), Expiry::after(at));
                    }
                    model.0 = at;
                }
                Step::Access(word) => {
                    entry.set_accessed(word);
                    model.1 = word;
                }
                Step::ReplaceFlat(new, encoding) => {
                    let encoding = [Encoding::Int, Encoding::Embstr, Encoding::Raw][usize::from(encoding)];
                    entry.replace(Content::Flat(&new, encoding));
                    (model.2, model.3) = (new, encoding);
                }
                Step::ReplaceBitmap(new) => {
                    entry.replace(Content::Bitmap(Bitmap::from_bytes(&new)));
                    (model.2, model.3) = (new, Encoding::Raw);
                }
                Step::SetByte(at, byte) => {
                    match entry.grow(at + 1) {
                        Held::Flat(bytes) => bytes[at as usize] = byte,
                        Held::Bitmap(bitmap) => bitmap.write(at, &[byte]),
                    }
                    model.2.resize(model.2.len().max(at as usize + 1), 0);
                    model.2[at as usize] = byte;
                    model.3 = Encoding::Raw;
                }
                Step::Grow(len) => {
                    if let Held::Bitmap(bitmap) = entry.grow(len) {
                        bitmap.grow(len);
                    }
                    model.2.resize(model.2.len().max(len as usize), 0);
                    model.3 = Encoding::Raw;
                }
            }
            prop_assert_eq!(entry.key(), &key[..]);
            prop_assert_eq!(&(entry.expires_at(), entry.accessed(), bytes(entry.view()), entry.encoding()), &model);
            prop_assert_eq!(bytes(entry.value().view()), &model.2[..]);
        }
        prop_assert_eq!(bytes(entry.into_value().view()), &model.2[..]);
    }
}
