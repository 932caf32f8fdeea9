//! What a signature holds for, and everything that it must not hold for.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::key::SigningKey;
use crate::time::Timestamp;

/// A folder with a component, the vendor's key and the component's signature by it.
struct Site {
    folder: tempfile::TempDir,
    vendor: SigningKey,
    trusted: Keys,
}

const COMPONENT: &[u8] = b"\0asm, as far as a signature is concerned";

fn key(folder: &tempfile::TempDir, name: &str) -> SigningKey {
    SigningKey::create(&folder.path().join(name)).unwrap()
}

fn sign(component: &[u8], key: &SigningKey) -> String {
    let signed = Timestamp::from_seconds(1_800_000_000);
    Signature::make("teledyne-t", "0.3.1", Digest::of(component), signed, key).unwrap().to_string()
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let vendor = key(&folder, "vendor.key");
        let trusted = Keys::from([("vendor".to_owned(), vendor.public())]);
        let site = Site { folder, vendor, trusted };
        site.place("t.wasm", COMPONENT, Some(&sign(COMPONENT, &site.vendor)));
        site
    }

    fn place(&self, name: &str, component: &[u8], signature: Option<&str>) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, component).unwrap();
        match signature {
            Some(text) => fs::write(signature_file(&file), text).unwrap(),
            None => drop(fs::remove_file(signature_file(&file))),
        }
        file
    }

    /// What a hub that requires signatures says of a file.
    #[expect(clippy::result_large_err, reason = "that of the function that is tested")]
    fn judge(&self, name: &str, digest: Option<Digest>, require: bool) -> Result<Result<Signer, Fault>, Untrusted> {
        let file = self.folder.path().join(name);
        let found = Digest::of(&fs::read(&file).unwrap());
        let trust = model::Trust { keys: self.trusted.clone(), require };
        judge("no2-driver", &model::Plugin { file, digest }, &trust, found)
    }

    fn fault(&self, name: &str) -> Fault {
        match self.judge(name, None, true) {
            Err(Untrusted::NotSigned { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_signed_file_is_its_signer_s_under_any_name() {
    let site = Site::new();
    let expected = Signer { name: "vendor".to_owned(), key: site.vendor.public().id() };
    assert_eq!(site.judge("t.wasm", None, true).unwrap().unwrap(), expected);

    site.place("renamed.wasm", COMPONENT, Some(&sign(COMPONENT, &site.vendor)));
    assert_eq!(site.judge("renamed.wasm", None, true).unwrap().unwrap(), expected);

    let (_, signature) = examine(&site.folder.path().join("t.wasm"), Digest::of(COMPONENT), &site.trusted).unwrap();
    assert_eq!((signature.plugin.as_str(), signature.version.as_str()), ("teledyne-t", "0.3.1"));
    assert_eq!(signature.signed.to_string(), "2027-01-15T08:00:00Z");
}

#[test]
fn a_file_without_its_signature_is_nobody_s() {
    let site = Site::new();
    site.place("moved.wasm", COMPONENT, None);
    assert!(matches!(site.fault("moved.wasm"), Fault::Unsigned { .. }));
}

#[test]
fn every_altered_byte_of_the_component_is_seen() {
    let site = Site::new();
    for at in 0..COMPONENT.len() {
        let mut altered = COMPONENT.to_vec();
        altered[at] ^= 1;
        fs::write(site.folder.path().join("t.wasm"), altered).unwrap();
        assert!(matches!(site.fault("t.wasm"), Fault::OtherFile { .. }), "byte {at}");
    }
}

#[test]
fn every_altered_bit_of_the_signature_is_seen() {
    let site = Site::new();
    let text = sign(COMPONENT, &site.vendor).into_bytes();
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut altered = text.clone();
            altered[at] ^= 1 << bit;
            fs::write(site.folder.path().join("t.wasm.sig"), altered).unwrap();
            let fault = site.fault("t.wasm");
            let expected = matches!(fault, Fault::Damaged { .. } | Fault::Forged { .. } | Fault::UnknownKey { .. });
            assert!(expected, "byte {at}, bit {bit}: {fault}");
        }
    }
}

#[test]
fn a_truncated_or_extended_signature_is_damaged() {
    let site = Site::new();
    let text = sign(COMPONENT, &site.vendor);
    for length in 0..text.len() {
        site.place("t.wasm", COMPONENT, Some(&text[..length]));
        assert!(matches!(site.fault("t.wasm"), Fault::Damaged { .. }), "{length} bytes");
    }
    let twice = format!("{text}{text}");
    for other in [format!("{text}\n"), format!("\n{text}"), twice, text.replace('\n', "\r\n"), text.to_uppercase()] {
        site.place("t.wasm", COMPONENT, Some(&other));
        assert!(matches!(site.fault("t.wasm"), Fault::Damaged { .. }), "{other:?}");
    }
    site.place("t.wasm", COMPONENT, Some(&"x".repeat(5000)));
    assert!(matches!(site.fault("t.wasm"), Fault::Damaged { damage: Damage::TooLong, .. }));
}

#[test]
fn another_key_does_not_pass_for_a_trusted_one() {
    let site = Site::new();
    let stranger = key(&site.folder, "stranger.key");
    let foreign = sign(COMPONENT, &stranger);
    site.place("t.wasm", COMPONENT, Some(&foreign));
    let key = stranger.public().id();
    assert!(matches!(site.fault("t.wasm"), Fault::UnknownKey { key: found } if found == key));

    // The stranger writes the vendor's id over its own.
    let named = foreign.replace(&key.to_string(), &site.vendor.public().id().to_string());
    site.place("t.wasm", COMPONENT, Some(&named));
    assert!(matches!(site.fault("t.wasm"), Fault::Forged { .. }));
}

#[test]
fn the_signature_of_another_plugin_or_version_does_not_hold() {
    let site = Site::new();
    let other = site.place("other.wasm", b"another component", Some(&sign(b"another component", &site.vendor)));
    let (mine, others) = (site.folder.path().join("t.wasm.sig"), signature_file(&other));
    let (first, second) = (fs::read(&mine).unwrap(), fs::read(&others).unwrap());
    fs::write(&mine, second).unwrap();
    fs::write(&others, first).unwrap();

    for name in ["t.wasm", "other.wasm"] {
        assert!(matches!(site.fault(name), Fault::OtherFile { .. }), "{name}");
    }

    let text = sign(COMPONENT, &site.vendor);
    for (said, instead) in [("0.3.1", "0.4.0"), ("teledyne-t", "teledyne-x"), ("2027", "2028")] {
        site.place("t.wasm", COMPONENT, Some(&text.replace(said, instead)));
        assert!(matches!(site.fault("t.wasm"), Fault::Forged { .. }), "{instead}");
    }
}

#[test]
fn what_was_signed_as_something_else_is_no_signature_of_a_plugin() {
    let site = Site::new();
    let text = sign(COMPONENT, &site.vendor);
    let message = text.rsplit_once("signature: ").unwrap().0;
    let (_, without_title) = message.split_once('\n').unwrap();
    let bytes = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, site.vendor.sign(without_title.as_bytes()));
    site.place("t.wasm", COMPONENT, Some(&format!("{message}signature: {bytes}\n")));
    assert!(matches!(site.fault("t.wasm"), Fault::Forged { .. }));
}

#[test]
fn a_later_format_is_told_as_such() {
    let site = Site::new();
    let text = sign(COMPONENT, &site.vendor).replace("signature 1", "signature 2");
    site.place("t.wasm", COMPONENT, Some(&text));
    assert!(site.fault("t.wasm").to_string().contains("format 2"));
}

#[test]
fn a_refusal_names_plugin_file_digest_signer_and_whom_the_hub_trusts() {
    let mut site = Site::new();
    let plant = key(&site.folder, "plant.key");
    site.trusted.insert("plant".to_owned(), plant.public());
    let stranger = key(&site.folder, "stranger.key");
    let said = |site: &Site| site.judge("t.wasm", None, true).unwrap_err().to_string();
    let digest = Digest::of(COMPONENT).to_string();

    site.place("t.wasm", COMPONENT, None);
    let unsigned = said(&site);
    for part in ["no2-driver", "t.wasm", &digest, "nobody", "plant or vendor"] {
        assert!(unsigned.contains(part), "{part} is not in {unsigned}");
    }

    site.place("t.wasm", COMPONENT, Some(&sign(COMPONENT, &stranger)));
    let foreign = said(&site);
    let key = stranger.public().id().to_string();
    for part in ["no2-driver", "t.wasm", &digest, &key, "plant or vendor"] {
        assert!(foreign.contains(part), "{part} is not in {foreign}");
    }
}

#[test]
fn a_hub_that_does_not_require_a_signature_is_told_what_is_wrong_with_it() {
    let site = Site::new();
    site.place("t.wasm", COMPONENT, None);
    assert!(matches!(site.judge("t.wasm", None, false), Ok(Err(Fault::Unsigned { .. }))));
}

#[test]
fn a_pinned_file_must_be_that_file_whoever_signed_it() {
    let site = Site::new();
    let pinned = Digest::of(b"the version before");
    let refusal = site.judge("t.wasm", Some(pinned), true).unwrap_err().to_string();
    for part in ["no2-driver", "t.wasm", &pinned.to_string(), &Digest::of(COMPONENT).to_string()] {
        assert!(refusal.contains(part), "{part} is not in {refusal}");
    }
    assert!(site.judge("t.wasm", Some(Digest::of(COMPONENT)), true).unwrap().is_ok());
}

#[test]
fn a_component_is_put_in_place_with_its_signature_and_never_beside_that_of_another() {
    let site = Site::new();
    let (file, next) = (site.folder.path().join("t.wasm"), b"the next version".as_slice());
    let signature = |component: &[u8]| Signature::parse(sign(component, &site.vendor).as_bytes()).unwrap();

    install(&file, next, Some(&signature(next))).unwrap();
    assert!(site.judge("t.wasm", None, true).unwrap().is_ok());

    install(&file, next, None).unwrap();
    assert!(site.judge("t.wasm", None, true).unwrap().is_ok(), "the site's own signature is gone");

    install(&file, COMPONENT, None).unwrap();
    assert!(matches!(site.fault("t.wasm"), Fault::Unsigned { .. }));
}

#[test]
fn what_was_half_installed_when_the_power_was_cut_is_refused_by_name_and_installed_again() {
    let site = Site::new();
    let (file, next) = (site.folder.path().join("t.wasm"), b"the next version".as_slice());
    let signature = Signature::parse(sign(next, &site.vendor).as_bytes()).unwrap();

    write_signature(&signature_file(&file), &signature.to_string()).unwrap();
    assert!(matches!(site.fault("t.wasm"), Fault::OtherFile { digest, .. } if digest == Digest::of(next)));

    install(&file, next, Some(&signature)).unwrap();
    assert!(site.judge("t.wasm", None, true).unwrap().is_ok());
}

#[test]
fn a_name_that_would_break_a_line_is_not_signed() {
    let site = Site::new();
    let make = |name: &str| Signature::make(name, "1", Digest::of(b""), Timestamp(0), &site.vendor);
    for name in ["", " a", "a ", "a\nversion: 2", "a\r", &"x".repeat(129)] {
        assert!(make(name).is_none(), "{name:?}");
    }
    let signed = make("Größe 2").unwrap();
    assert_eq!(Signature::parse(signed.to_string().as_bytes()), Ok(signed));
}
