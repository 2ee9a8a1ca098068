//! The one file that calls HPKE: X-Wing, HKDF-SHA256, and no cipher but the exporter.
//!
//! The key is written straight into its locked page. What HPKE derives on the way is wiped by it,
//! but for copies that its calls leave on the stack, where the next calls write over them.

use std::convert::Infallible;

use hpke::aead::ExportOnlyAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};

use super::LinkFailed;
use crate::domain::Domain;
use crate::error::SealFailed;
use crate::locked::KeyBytes;

type PrivateKey = <XWing as Kem>::PrivateKey;
type PublicKey = <XWing as Kem>::PublicKey;
type EncapsulatedKey = <XWing as Kem>::EncappedKey;

/// The public key of a private one. X-Wing's private key is a seed of 32 random bytes.
pub(super) fn public_key(seed: &KeyBytes) -> Result<Vec<u8>, LinkFailed> {
    let private = PrivateKey::from_bytes(seed.bytes())?;
    Ok(XWing::sk_to_pk(&private).to_bytes().to_vec())
}

/// A new key, and its encapsulation for who has the private key of `public_key`. `fill` gives the
/// random bytes.
pub(super) fn encapsulate(
    public_key: &[u8],
    info: &[u8],
    fill: impl FnMut(&mut [u8]) -> Result<(), getrandom::Error>,
) -> Result<(KeyBytes, Vec<u8>), LinkFailed> {
    let bytes = public_key.len();
    let public_key =
        PublicKey::from_bytes(public_key).map_err(|_| LinkFailed::PublicKey { bytes })?;
    let mut randomness = Randomness { fill, failed: None };
    let (encapsulated, context) = hpke::setup_sender_with_rng::<ExportOnlyAead, HkdfSha256, XWing>(
        &OpModeS::Base,
        &public_key,
        info,
        &mut randomness,
    )?;
    if let Some(error) = randomness.failed {
        return Err(SealFailed::Randomness(error).into());
    }
    let key = KeyBytes::fill(|key| context.export(exporter_context(), key))?;
    Ok((key, encapsulated.to_bytes().to_vec()))
}

/// The key that [`encapsulate`] made for the public key of `seed`.
pub(super) fn decapsulate(
    seed: &KeyBytes,
    encapsulated: &[u8],
    info: &[u8],
) -> Result<KeyBytes, LinkFailed> {
    let bytes = encapsulated.len();
    let encapsulated = EncapsulatedKey::from_bytes(encapsulated)
        .map_err(|_| LinkFailed::Encapsulated { bytes })?;
    let private = PrivateKey::from_bytes(seed.bytes())?;
    let context = hpke::setup_receiver::<ExportOnlyAead, HkdfSha256, XWing>(
        &OpModeR::Base,
        &private,
        &encapsulated,
        info,
    )?;
    Ok(KeyBytes::fill(|key| {
        context.export(exporter_context(), key)
    })?)
}

/// What the exported key is for. Another use of the same agreement would be another domain.
fn exporter_context() -> &'static [u8] {
    Domain::LinkWrap.name().as_bytes()
}

/// Random bytes for a library that takes only a source that cannot fail: a failure is kept, and
/// what was made of it is thrown away.
struct Randomness<F> {
    fill: F,
    failed: Option<getrandom::Error>,
}

impl<F: FnMut(&mut [u8]) -> Result<(), getrandom::Error>> Randomness<F> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.write(&mut bytes);
        bytes
    }

    fn write(&mut self, bytes: &mut [u8]) {
        if let Err(error) = (self.fill)(bytes) {
            self.failed = Some(error);
        }
    }
}

impl<F: FnMut(&mut [u8]) -> Result<(), getrandom::Error>> TryRng for Randomness<F> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_ne_bytes(self.array()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_ne_bytes(self.array()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.write(bytes);
        Ok(())
    }
}

impl<F: FnMut(&mut [u8]) -> Result<(), getrandom::Error>> TryCryptoRng for Randomness<F> {}
