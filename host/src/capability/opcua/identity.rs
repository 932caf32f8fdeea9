//! Who signs in: the token that a session is activated with.
//!
//! Invariant: a password leaves the hub encrypted, by the message or by itself with the key of a trusted server; else it does not leave.
//!
//! Source: OPC 10000-4, 7.40 (user identity tokens), 7.41 (how a password is encrypted).

use opcua::crypto::{PrivateKey, SecurityPolicy, X509, create_signature_data, legacy_encrypt_secret};
use opcua::types::{
    AnonymousIdentityToken, ByteString, EndpointDescription, ExtensionObject, MessageSecurityMode, SignatureData,
    UAString, UserNameIdentityToken, UserTokenPolicy, UserTokenType, X509IdentityToken,
};

use super::certificate::{read_certificate, read_key};
use super::fault::describe;
use crate::config::model::OpcUaIdentity;

/// What the server checks a session's user by.
pub(super) struct SignIn {
    pub(super) token: ExtensionObject,
    pub(super) signature: SignatureData,
}

/// The user of a session, with what the endpoint asks for.
pub(super) struct User<'a> {
    identity: &'a OpcUaIdentity,
    policy: UserTokenPolicy,
    /// What encrypts or signs the token itself.
    token_policy: SecurityPolicy,
    channel_policy: SecurityPolicy,
    mode: MessageSecurityMode,
}

impl<'a> User<'a> {
    /// The user at this endpoint, or why not. Nothing is sent.
    pub(super) fn at(identity: &'a OpcUaIdentity, endpoint: &EndpointDescription) -> Result<Self, String> {
        let channel_policy = SecurityPolicy::from_uri(endpoint.security_policy_uri.as_ref());
        let mode = endpoint.security_mode;
        let (token_type, what) = match identity {
            OpcUaIdentity::Anonymous => (UserTokenType::Anonymous, "anonymous users"),
            OpcUaIdentity::User { .. } => (UserTokenType::UserName, "users with a password"),
            OpcUaIdentity::Certificate { .. } => (UserTokenType::Certificate, "users with a certificate"),
        };
        let offered = endpoint.user_identity_tokens.iter().flatten().filter(|policy| policy.token_type == token_type);
        let mut offered: Vec<User<'a>> = offered
            .map(|policy| {
                let own = policy.security_policy_uri.as_ref();
                let token_policy = if own.is_empty() { channel_policy } else { SecurityPolicy::from_uri(own) };
                User { identity, policy: policy.clone(), token_policy, channel_policy, mode }
            })
            .collect();
        if offered.is_empty() {
            return Err(format!("the server's endpoint takes no {what}"));
        }
        // The strongest that the server offers for this kind of user.
        offered.retain(User::is_acceptable);
        offered.sort_by_key(|user| std::cmp::Reverse(strength(user.token_policy)));
        let refusal = match identity {
            OpcUaIdentity::Anonymous => "",
            OpcUaIdentity::User { .. } => {
                "the password would go over the network in clear text: set `policy` to one that encrypts, or have the server ask for encrypted passwords"
            }
            OpcUaIdentity::Certificate { .. } => {
                "the server's endpoint asks for a signature by a policy that is not offered here, or for none: set `policy`"
            }
        };
        offered.into_iter().next().ok_or_else(|| refusal.to_owned())
    }

    /// Whether the token needs the server's certificate, so that it must be trusted even where messages are not secured.
    pub(super) fn needs_certificate(&self) -> bool {
        match self.identity {
            OpcUaIdentity::Anonymous => false,
            OpcUaIdentity::User { .. } => self.token_policy != SecurityPolicy::None,
            OpcUaIdentity::Certificate { .. } => true,
        }
    }

    /// The token for a session whose server gave this nonce last.
    pub(super) fn sign_in(&self, server: Option<&X509>, nonce: &ByteString) -> Result<SignIn, String> {
        if self.needs_certificate() && server.is_none() {
            return Err(String::from("the server shows no certificate, and the user's token needs one"));
        }
        let policy_id = self.policy.policy_id.clone();
        match self.identity {
            OpcUaIdentity::Anonymous => {
                let token = ExtensionObject::from_message(AnonymousIdentityToken { policy_id });
                Ok(SignIn { token, signature: SignatureData::null() })
            }
            OpcUaIdentity::User { name, password } => {
                let (server, secret) = (server.cloned(), password.expose().as_bytes());
                let (policy, mode) = (self.channel_policy, self.mode);
                let secret = legacy_encrypt_secret(policy, mode, &self.policy, nonce.as_ref(), &server, secret)
                    .map_err(|error| describe(&error))?;
                let token = ExtensionObject::from_message(UserNameIdentityToken {
                    policy_id: secret.policy,
                    user_name: UAString::from(name.as_str()),
                    password: secret.secret,
                    encryption_algorithm: secret.encryption_algorithm,
                });
                Ok(SignIn { token, signature: SignatureData::null() })
            }
            OpcUaIdentity::Certificate { cert_file, key_file } => {
                let certificate = read_certificate(cert_file).map_err(|error| error.to_string())?;
                let key: PrivateKey = read_key(key_file).map_err(|error| error.to_string())?;
                let server = server.map(X509::as_byte_string).unwrap_or_default();
                let signature =
                    create_signature_data(&key, self.token_policy, &server, nonce).map_err(|error| describe(&error))?;
                let certificate_data = certificate.as_byte_string();
                let token = ExtensionObject::from_message(X509IdentityToken { policy_id, certificate_data });
                Ok(SignIn { token, signature })
            }
        }
    }

    fn is_acceptable(&self) -> bool {
        match self.identity {
            OpcUaIdentity::Anonymous => true,
            OpcUaIdentity::User { .. } => match self.token_policy {
                // The message itself is encrypted.
                SecurityPolicy::None => self.mode == MessageSecurityMode::SignAndEncrypt,
                policy => strength(policy) > 0,
            },
            OpcUaIdentity::Certificate { .. } => strength(self.token_policy) > 0,
        }
    }
}

/// Order of the policies that are offered; 0 for the others.
fn strength(policy: SecurityPolicy) -> u8 {
    match policy {
        SecurityPolicy::Aes256Sha256RsaPss => 3,
        SecurityPolicy::Basic256Sha256 => 2,
        SecurityPolicy::Aes128Sha256RsaOaep => 1,
        _ => 0,
    }
}
