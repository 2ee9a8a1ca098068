//! A DEK crosses between two regions under a key that only both ends of one stream have (R22).

#![allow(
    clippy::unwrap_used,
    reason = "a test may take what it knows for granted"
)]

use envelope::{
    CallPart, EncryptionContext, Kek, LINK_CALL_BYTES_MAX, LINK_ENCAPSULATED_BYTES,
    LINK_PUBLIC_KEY_BYTES, LINK_REGION_BYTES_MAX, LinkBinding, LinkFailed, LinkKey, LinkOffer,
    OpenFailed, RewrapFailed, SealFailed, Sealed,
};
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_assert_ne, proptest};
use proptest::test_runner::Config;
use strongroom_envelope as envelope;

const CLUSTER: [u8; 16] = [1; 16];
const FROM: &str = "eu-west-1";
const TO: &str = "us-east-1";

fn binding() -> LinkBinding {
    LinkBinding {
        cluster: CLUSTER,
        from: FROM.into(),
        to: TO.into(),
        stream: [4; 16],
    }
}

fn context() -> EncryptionContext<'static> {
    EncryptionContext {
        cluster: CLUSTER,
        uid: [2; 16],
        version_id: "6f1c6a3e-2d42-4f1b-9d0a-0c8f2f5f7a11",
    }
}

/// The keys of the primary's and of the follower's end.
fn link(primary: &LinkBinding, follower: &LinkBinding) -> (LinkKey, LinkKey) {
    let offer = LinkOffer::generate().unwrap();
    let (key, encapsulated) = LinkKey::encapsulate(offer.public_key(), primary).unwrap();
    (key, offer.accept(&encapsulated, follower).unwrap())
}

/// A KEK of each region, and a value that the first has sealed.
fn regions(plain: &[u8]) -> (Kek, Kek, Sealed) {
    let (a, b) = (kek(7), kek(8));
    let sealed = a.seal(&context(), FROM, plain).unwrap();
    (a, b, sealed)
}

fn kek(id: u8) -> Kek {
    Kek::generate([id; 16], 1).unwrap()
}

/// Whether what leaves with one key arrives with the other.
fn agree(primary: &LinkKey, follower: &LinkKey) -> bool {
    let (a, b, sealed) = regions(b"value");
    let moved = primary
        .rewrap_out(&a, &context(), FROM, &sealed.wrapped_dek)
        .unwrap();
    match follower.rewrap_in(&b, &context(), TO, &moved) {
        Ok(_) => true,
        Err(RewrapFailed::Open(OpenFailed::Unauthentic)) => false,
        Err(other) => unreachable!("{other}"),
    }
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    copy[bit / 8] ^= 1 << (bit % 8);
    copy
}

#[test]
fn a_value_of_one_region_opens_in_the_other_with_the_same_ciphertext() {
    let (primary, follower) = link(&binding(), &binding());
    for plain in [&b""[..], b"correct horse", &[9; 65_536]] {
        let (a, b, sealed) = regions(plain);
        let moved = primary.rewrap_out(&a, &context(), FROM, &sealed.wrapped_dek);
        let wrapped = follower
            .rewrap_in(&b, &context(), TO, &moved.unwrap())
            .unwrap();
        let open = |kek: &Kek, region: &str| {
            kek.open(
                &context(),
                region,
                &sealed.nonce,
                &sealed.ciphertext,
                &wrapped,
            )
        };
        assert_eq!(*open(&b, TO).unwrap(), *plain);
        assert!(open(&a, TO).is_err() && open(&a, FROM).is_err() && open(&b, FROM).is_err());
    }
}

#[test]
fn a_dek_leaves_only_by_the_kek_region_and_context_that_wrap_it() {
    let (primary, _) = link(&binding(), &binding());
    let (a, b, sealed) = regions(b"value");
    let leaves = |kek: &Kek, context: &EncryptionContext<'_>, region: &str| {
        primary
            .rewrap_out(kek, context, region, &sealed.wrapped_dek)
            .is_ok()
    };
    let other = EncryptionContext {
        uid: [3; 16],
        ..context()
    };
    assert!(leaves(&a, &context(), FROM));
    assert!(!leaves(&b, &context(), FROM));
    assert!(!leaves(&a, &other, FROM));
    assert!(!leaves(&a, &context(), TO));
}

#[test]
fn a_dek_arrives_only_for_the_context_it_left_with() {
    let (primary, follower) = link(&binding(), &binding());
    let (a, b, sealed) = regions(b"value");
    let moved = primary
        .rewrap_out(&a, &context(), FROM, &sealed.wrapped_dek)
        .unwrap();
    let arrives = |context: &EncryptionContext<'_>| {
        let wrapped = follower.rewrap_in(&b, context, TO, &moved);
        wrapped.is_ok()
    };
    let own = context();
    assert!(arrives(&own));
    let cluster = [9; 16];
    assert!(!arrives(&EncryptionContext { cluster, ..own }));
    let uid = [3; 16];
    assert!(!arrives(&EncryptionContext { uid, ..own }));
    let version_id = "6f1c6a3e-2d42-4f1b-9d0a-0c8f2f5f7a12";
    assert!(!arrives(&EncryptionContext { version_id, ..own }));
}

#[test]
fn ends_agree_only_when_they_name_the_same_cluster_regions_and_stream() {
    let own = binding();
    let others = [
        LinkBinding {
            cluster: [9; 16],
            ..own.clone()
        },
        LinkBinding {
            from: "eu-west-2".into(),
            ..own.clone()
        },
        LinkBinding {
            to: "us-east-2".into(),
            ..own.clone()
        },
        LinkBinding {
            stream: [5; 16],
            ..own.clone()
        },
        // The same pair, the other way round.
        LinkBinding {
            from: TO.into(),
            to: FROM.into(),
            ..own.clone()
        },
        // The same letters, cut elsewhere.
        LinkBinding {
            from: format!("{FROM}u"),
            to: TO.trim_start_matches('u').into(),
            ..own.clone()
        },
    ];
    let (primary, follower) = link(&own, &own);
    assert!(agree(&primary, &follower));
    for other in others {
        for (one, two) in [(&own, &other), (&other, &own)] {
            let (primary, follower) = link(one, two);
            assert!(!agree(&primary, &follower), "{one:?} {two:?}");
        }
    }
}

#[test]
fn what_was_made_for_one_offer_opens_with_no_other() {
    let offers = [(); 2].map(|()| LinkOffer::generate().unwrap());
    assert_ne!(offers[0].public_key(), offers[1].public_key());
    let [one, two] = offers;
    let (primary, encapsulated) = LinkKey::encapsulate(one.public_key(), &binding()).unwrap();
    let (again, _) = LinkKey::encapsulate(one.public_key(), &binding()).unwrap();
    let stranger = two.accept(&encapsulated, &binding()).unwrap();
    let follower = one.accept(&encapsulated, &binding()).unwrap();
    assert!(agree(&primary, &follower));
    assert!(!agree(&primary, &stranger));
    assert!(!agree(&again, &follower));
}

// X25519 itself takes no notice of the last bit of what it is given.
#[test]
fn the_bit_that_x25519_ignores_still_gives_another_key() {
    let offer = LinkOffer::generate().unwrap();
    let last = LINK_ENCAPSULATED_BYTES * 8 - 1;
    let (primary, encapsulated) = LinkKey::encapsulate(offer.public_key(), &binding()).unwrap();
    let follower = offer.accept(&flipped(&encapsulated, last), &binding());
    assert!(!agree(&primary, &follower.unwrap()));

    let offer = LinkOffer::generate().unwrap();
    let last = LINK_PUBLIC_KEY_BYTES * 8 - 1;
    let changed = flipped(offer.public_key(), last);
    let (primary, encapsulated) = LinkKey::encapsulate(&changed, &binding()).unwrap();
    let follower = offer.accept(&encapsulated, &binding());
    assert!(!agree(&primary, &follower.unwrap()));
}

#[test]
fn no_changed_bit_or_cut_of_a_link_wrap_opens() {
    let (primary, follower) = link(&binding(), &binding());
    let (a, b, sealed) = regions(b"value");
    let moved = primary
        .rewrap_out(&a, &context(), FROM, &sealed.wrapped_dek)
        .unwrap();
    let arrives = |wrap: &[u8]| follower.rewrap_in(&b, &context(), TO, wrap).is_ok();
    assert!(arrives(&moved));
    assert!((0..moved.len() * 8).all(|bit| !arrives(&flipped(&moved, bit))));
    assert!((0..moved.len()).all(|length| !arrives(&moved[..length])));
    assert!(!arrives(&[&moved[..], &[0]].concat()));
    let future = [&[9], &moved[1..]].concat();
    let refused = follower.rewrap_in(&b, &context(), TO, &future);
    assert!(matches!(
        refused,
        Err(RewrapFailed::Open(OpenFailed::UnknownFormat {
            found: 9,
            known: 1
        }))
    ));
}

#[test]
fn the_same_dek_crosses_under_another_nonce_each_time() {
    let (primary, _) = link(&binding(), &binding());
    let (a, _, sealed) = regions(b"value");
    let [one, two] = [(); 2].map(|()| {
        primary
            .rewrap_out(&a, &context(), FROM, &sealed.wrapped_dek)
            .unwrap()
    });
    assert_ne!(one[1..13], two[1..13]);
}

#[test]
fn a_region_with_too_long_a_name_is_refused_at_both_ends() {
    let offer = LinkOffer::generate().unwrap();
    let long = |bytes: usize| "r".repeat(bytes);
    let (_, encapsulated) = LinkKey::encapsulate(
        offer.public_key(),
        &LinkBinding {
            from: long(LINK_REGION_BYTES_MAX),
            to: long(LINK_REGION_BYTES_MAX),
            ..binding()
        },
    )
    .unwrap();
    let from = LinkBinding {
        from: long(LINK_REGION_BYTES_MAX + 1),
        ..binding()
    };
    let to = LinkBinding {
        to: long(1 << 17),
        ..binding()
    };
    for (binding, length) in [(from, 129), (to, 1 << 17)] {
        let made = LinkKey::encapsulate(offer.public_key(), &binding);
        assert!(matches!(made, Err(LinkFailed::Region { bytes }) if bytes == length));
        let taken = LinkOffer::generate()
            .unwrap()
            .accept(&encapsulated, &binding);
        assert!(matches!(taken, Err(LinkFailed::Region { bytes }) if bytes == length));
    }
}

#[test]
fn a_public_key_that_is_none_of_x_wing_is_refused() {
    // 12 bits each, and ML-KEM's coefficients are below 3,329.
    let made = LinkKey::encapsulate(&[0xff; LINK_PUBLIC_KEY_BYTES], &binding());
    assert!(matches!(made, Err(LinkFailed::PublicKey { bytes: 1_216 })));
}

#[test]
fn no_debug_output_shows_a_link_key() {
    let offer = LinkOffer::generate().unwrap();
    assert_eq!(format!("{offer:?}"), "LinkOffer(redacted)");
    let (key, _) = LinkKey::encapsulate(offer.public_key(), &binding()).unwrap();
    assert_eq!(format!("{key:?}"), "LinkKey(redacted)");
}

/// The length that a refusal of the other end's bytes tells.
fn refused_bytes(refused: &LinkFailed) -> Option<usize> {
    match refused {
        LinkFailed::PublicKey { bytes } | LinkFailed::Encapsulated { bytes } => Some(*bytes),
        _ => None,
    }
}

/// Bytes of any length, often the right one or next to it.
fn near(length: usize) -> impl Strategy<Value = Vec<u8>> {
    let lengths = proptest::sample::select(vec![0, 1, length - 1, length, length + 1, 2 * length]);
    (lengths, any::<[u8; 32]>()).prop_map(|(length, seed)| {
        let bytes = seed.iter().copied().cycle().zip(0_u8..=250).cycle();
        bytes.map(|(a, b)| a ^ b).take(length).collect()
    })
}

proptest! {
    #![proptest_config(Config::with_cases(64))]

    #[test]
    fn a_changed_encapsulation_gives_another_key(bit in 0..LINK_ENCAPSULATED_BYTES * 8) {
        let offer = LinkOffer::generate().unwrap();
        let (primary, encapsulated) =
            LinkKey::encapsulate(offer.public_key(), &binding()).unwrap();
        let follower = offer.accept(&flipped(&encapsulated, bit), &binding()).unwrap();
        prop_assert!(!agree(&primary, &follower));
    }

    #[test]
    fn a_changed_public_key_gives_another_key_or_none(bit in 0..LINK_PUBLIC_KEY_BYTES * 8) {
        let offer = LinkOffer::generate().unwrap();
        let changed = flipped(offer.public_key(), bit);
        match LinkKey::encapsulate(&changed, &binding()) {
            Ok((primary, encapsulated)) => {
                let follower = offer.accept(&encapsulated, &binding()).unwrap();
                prop_assert!(!agree(&primary, &follower));
            }
            Err(refused) => prop_assert_eq!(refused_bytes(&refused), Some(LINK_PUBLIC_KEY_BYTES)),
        }
    }

    #[test]
    fn arbitrary_bytes_give_typed_errors_or_a_key_that_opens_nothing(
        public_key in near(LINK_PUBLIC_KEY_BYTES),
        encapsulated in near(LINK_ENCAPSULATED_BYTES),
        wrap in any::<Vec<u8>>(),
        prefixed in any::<bool>(),
    ) {
        match LinkKey::encapsulate(&public_key, &binding()) {
            Ok(_) => prop_assert_eq!(public_key.len(), LINK_PUBLIC_KEY_BYTES),
            Err(refused) => prop_assert_eq!(refused_bytes(&refused), Some(public_key.len())),
        }
        let (primary, follower) = link(&binding(), &binding());
        match LinkOffer::generate().unwrap().accept(&encapsulated, &binding()) {
            Ok(key) => {
                prop_assert_eq!(encapsulated.len(), LINK_ENCAPSULATED_BYTES);
                prop_assert!(!agree(&primary, &key));
            }
            Err(refused) => {
                prop_assert_ne!(encapsulated.len(), LINK_ENCAPSULATED_BYTES);
                prop_assert_eq!(refused_bytes(&refused), Some(encapsulated.len()));
            }
        }
        let wrap = [if prefixed { &[1][..] } else { &[] }, &wrap].concat();
        prop_assert!(primary.rewrap_out(&kek(7), &context(), FROM, &wrap).is_err());
        prop_assert!(follower.rewrap_in(&kek(8), &context(), TO, &wrap).is_err());
    }
}

#[test]
fn a_call_opens_at_the_other_end_as_what_it_is_and_as_nothing_else() {
    let (one, other) = link(&binding(), &binding());
    let call = one.seal_call(CallPart::Call, b"a call").unwrap();
    let opened = other.open_call(CallPart::Call, &call).unwrap();
    assert_eq!(opened.as_slice(), b"a call");
    let answer = other.seal_call(CallPart::Answer, b"").unwrap();
    let opened = one.open_call(CallPart::Answer, &answer).unwrap();
    assert!(opened.is_empty());
    let unauthentic = |opened: Result<_, OpenFailed>| {
        assert_eq!(opened.map(drop), Err(OpenFailed::Unauthentic));
    };
    unauthentic(other.open_call(CallPart::Answer, &call));
    unauthentic(one.open_call(CallPart::Call, &answer));
    let (stranger, _) = link(&binding(), &binding());
    unauthentic(stranger.open_call(CallPart::Call, &call));
    for bit in 8..call.len() * 8 {
        unauthentic(other.open_call(CallPart::Call, &flipped(&call, bit)));
    }
    unauthentic(other.open_call(CallPart::Call, &[]));
    unauthentic(other.open_call(CallPart::Call, &call[..20]));
    let longest = vec![7; LINK_CALL_BYTES_MAX];
    one.seal_call(CallPart::Call, &longest).unwrap();
    let too_long = vec![7; LINK_CALL_BYTES_MAX + 1];
    let refused = one.seal_call(CallPart::Call, &too_long);
    assert!(matches!(refused, Err(SealFailed::TooLarge { .. })));
}
