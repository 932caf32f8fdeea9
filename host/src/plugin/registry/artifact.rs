//! A plugin as a registry keeps it: one component is one artifact, its signature travels in an annotation.
//!
//! The manifest is that of the Wasm OCI artifact convention, which other tools read too: a configuration of type
//! `application/vnd.wasm.config.v0+json`, and one layer of type `application/wasm`, which is the component's file byte for byte. The
//! digest of the layer is therefore the digest of the file, the one that `[plugins.NAME] digest` pins.
//!
//! ```text
//! { "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
//!   "config": { "mediaType": "application/vnd.wasm.config.v0+json", … },
//!   "layers": [ { "mediaType": "application/wasm", "digest": "sha256:…", "size": 210000 } ],
//!   "annotations": { "org.opencontainers.image.title": "teledyne-t", "org.opencontainers.image.version": "0.3.1",
//!                    "tutin.plugin.signature": "tutin plugin signature 1\nplugin: …" } }
//! ```
//!
//! The convention allows exactly one layer, and readers refuse an artifact with two: the signature, a text of 350 bytes, is an annotation.

use oci_client::Reference;
use oci_client::manifest::{OciDescriptor, OciImageManifest, OciManifest};
use serde_json::json;

use super::error::{RegistryError, not_a_plugin};
use crate::config::model::Loading;
use crate::digest::Digest;
use crate::plugin::admission::{DRIVER, DRIVER_VERSION};
use crate::plugin::trust::Signature;
use crate::time::Timestamp;

/// Type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";
/// Annotation with the text of the signature.
const SIGNATURE: &str = "tutin.plugin.signature";
const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";
/// Largest manifest, bytes: the least that registries must take (OCI Distribution Specification 1.1, "Pushing Manifests").
pub const LARGEST_MANIFEST: usize = 4 << 20;

/// What is stored of a plugin.
pub struct Artifact<'a> {
    /// The file.
    pub component: &'a [u8],
    /// What the plugin calls itself.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// What it imports, as in `tutin:log/log@0.1.0`.
    pub imports: Vec<String>,
    /// Its signature.
    pub signature: Option<&'a Signature>,
    /// When it is stored.
    pub created: Timestamp,
}

impl Artifact<'_> {
    /// The configuration and the manifest, as bytes.
    pub fn documents(&self) -> (Vec<u8>, Vec<u8>) {
        let digest = Digest::of(self.component).to_string();
        let config = json!({
            "created": self.created,
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [digest],
            "component": { "exports": [format!("{DRIVER}@{DRIVER_VERSION}")], "imports": self.imports, "target": null },
        });
        let config = config.to_string().into_bytes();
        let mut annotations = serde_json::Map::new();
        annotations.insert(TITLE.to_owned(), self.name.into());
        annotations.insert(VERSION.to_owned(), self.version.into());
        if let Some(signature) = self.signature {
            annotations.insert(SIGNATURE.to_owned(), signature.to_string().into());
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": Digest::of(&config).to_string(), "size": config.len() },
            "layers": [{ "mediaType": LAYER, "digest": digest, "size": self.component.len() }],
            "annotations": annotations,
        });
        (config, manifest.to_string().into_bytes())
    }
}

/// The manifest and the signature in it. A reference with a digest must be of exactly these bytes.
pub fn read_manifest(
    reference: &Reference,
    body: &[u8],
) -> Result<(OciImageManifest, Option<Signature>), RegistryError> {
    let not_a_plugin = |what: String| not_a_plugin(reference, what);
    if body.len() > LARGEST_MANIFEST {
        return Err(not_a_plugin(format!("its manifest has more than {LARGEST_MANIFEST} bytes")));
    }
    if let Some(pinned) = reference.digest() {
        let what = "the manifest";
        check_digest(reference, what, body, digest_of(reference, what, pinned)?)?;
    }
    let manifest = match serde_json::from_slice(body) {
        Ok(OciManifest::Image(manifest)) => manifest,
        Ok(OciManifest::ImageIndex(_)) => return Err(not_a_plugin("it is a list of images".to_owned())),
        Err(error) => return Err(not_a_plugin(format!("its manifest cannot be read: {error}"))),
    };
    let text = manifest.annotations.as_ref().and_then(|annotations| annotations.get(SIGNATURE));
    let parsed = text.map(|text| Signature::parse(text.as_bytes())).transpose();
    let damaged = |damage| RegistryError::Signature { reference: reference.to_string(), damage };
    Ok((manifest, parsed.map_err(damaged)?))
}

/// The one layer, if it is that of a component and not larger than any.
pub fn layer_of<'m>(reference: &Reference, manifest: &'m OciImageManifest) -> Result<&'m OciDescriptor, RegistryError> {
    let not_a_plugin = |what: String| not_a_plugin(reference, what);
    let config = &manifest.config.media_type;
    if config != CONFIG {
        return Err(not_a_plugin(format!(
            "its configuration is of type {config}, and that of a component is {CONFIG}"
        )));
    }
    match manifest.layers.as_slice() {
        [layer] if layer.media_type == LAYER => match u64::try_from(layer.size) {
            Ok(bytes) if bytes <= Loading::LARGEST_FILE => Ok(layer),
            Ok(bytes) => Err(RegistryError::TooLarge { reference: reference.to_string(), bytes }),
            Err(_) => Err(not_a_plugin(format!("its layer has {} bytes", layer.size))),
        },
        [layer] => Err(not_a_plugin(format!("its layer is of type {}, and a component is {LAYER}", layer.media_type))),
        layers => Err(not_a_plugin(format!("it has {} layers, and a component is one", layers.len()))),
    }
}

/// The digest that this text names something by.
pub fn digest_of(reference: &Reference, what: &str, text: &str) -> Result<Digest, RegistryError> {
    let no_digest = || not_a_plugin(reference, format!("{what} is named by {text}, which is no SHA-256"));
    Digest::parse(text).ok_or_else(no_digest)
}

/// The digest of what came, if it is the one that was asked for.
pub fn check_digest(
    reference: &Reference,
    what: &'static str,
    bytes: &[u8],
    expected: Digest,
) -> Result<Digest, RegistryError> {
    let found = Digest::of(bytes);
    if found == expected {
        return Ok(found);
    }
    Err(RegistryError::OtherDigest { reference: reference.to_string(), what, found, expected })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::key::SigningKey;

    const COMPONENT: &[u8] = b"\0asm";

    fn reference() -> Reference {
        crate::plugin::registry::reference("127.0.0.1:5000/drivers/t:1").unwrap()
    }

    fn signature(of: &[u8]) -> Signature {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::create(&folder.path().join("key")).unwrap();
        Signature::make("t", "1", Digest::of(of), Timestamp(0), &key).unwrap()
    }

    fn manifest(signature: Option<&Signature>) -> Vec<u8> {
        let (created, imports) = (Timestamp(0), vec!["tutin:log/log@0.1.0".to_owned()]);
        Artifact { component: COMPONENT, name: "t", version: "1", imports, signature, created }.documents().1
    }

    fn changed(pointer: &str, value: Value) -> Vec<u8> {
        let mut manifest: Value = serde_json::from_slice(&manifest(None)).unwrap();
        *manifest.pointer_mut(pointer).unwrap() = value;
        manifest.to_string().into_bytes()
    }

    #[test]
    fn what_is_stored_is_what_the_convention_says_and_comes_back() {
        let signed = signature(COMPONENT);
        let body = manifest(Some(&signed));

        let (read, found) = read_manifest(&reference(), &body).unwrap();
        let layer = layer_of(&reference(), &read).unwrap();

        assert_eq!(found, Some(signed));
        assert_eq!((layer.digest.as_str(), layer.size), (Digest::of(COMPONENT).to_string().as_str(), 4));
        assert_eq!(read.config.media_type, "application/vnd.wasm.config.v0+json");
        assert_eq!(layer.media_type, "application/wasm");
        assert_eq!(read_manifest(&reference(), &manifest(None)).unwrap().1, None);
    }

    #[test]
    fn what_is_not_a_plugin_is_refused_in_words() {
        let check = |body: Vec<u8>, expected: &str| {
            let read = read_manifest(&reference(), &body);
            let refused = read.and_then(|(manifest, _)| layer_of(&reference(), &manifest).cloned()).unwrap_err();
            assert!(refused.to_string().contains(expected), "{expected} is not in {refused}");
        };
        let image = "application/vnd.oci.image.config.v1+json";
        check(changed("/config/mediaType", image.into()), image);
        let archive = "application/vnd.oci.image.layer.v1.tar+gzip";
        check(changed("/layers/0/mediaType", archive.into()), archive);
        check(changed("/layers", json!([])), "0 layers");
        let layer = json!({ "mediaType": LAYER, "digest": "sha256:00", "size": 1 });
        check(changed("/layers", json!([layer, layer])), "2 layers");
        check(changed("/annotations", json!({ SIGNATURE: "a signature" })), "damaged");
        check(changed("/layers/0/size", json!(64 * 1024 * 1024 + 1)), "67108865 bytes, and 67108864 are allowed");
        check(changed("/layers/0/size", json!(-1)), "-1 bytes");
        check(b"<html>".to_vec(), "cannot be read");
        check(vec![b' '; LARGEST_MANIFEST + 1], "more than 4194304 bytes");
        check(changed("/config/mediaType", "x\u{1b}[2J\n".into()), "of type x\\u{1b}[2J\\n, and");
        check(changed("/layers/0/mediaType", "x\u{1b}[2J".into()), "of type x\\u{1b}[2J, and");
        check(changed("/layers/0/mediaType", "x".repeat(2_000).into()), "bytes in all)");
    }

    #[test]
    fn a_reference_with_a_digest_is_of_exactly_these_bytes() {
        let body = manifest(None);
        let pinned =
            |digest: Digest| crate::plugin::registry::reference(&format!("127.0.0.1:5000/drivers/t@{digest}")).unwrap();
        assert!(read_manifest(&pinned(Digest::of(&body)), &body).is_ok());
        let refused = read_manifest(&pinned(Digest::of(b"another")), &body).unwrap_err().to_string();
        for part in [Digest::of(&body), Digest::of(b"another")] {
            assert!(refused.contains(&part.to_string()), "{part} is not in {refused}");
        }
    }
}
