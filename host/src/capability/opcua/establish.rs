//! From nothing to a session: endpoints, trust, secure channel, session, user.
//!
//! A server that still has the session of before the connection broke gets it back, with its subscriptions; else there is a new one.
//!
//! Invariant: the endpoint has the policy and the mode that the configuration names, or there is no session. Nothing weaker is tried.
//!
//! Source: OPC 10000-4, 5.5.4 (GetEndpoints), 5.7.2 (CreateSession), 5.7.3 (ActivateSession).

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use opcua::client::transport::{SecureChannelEventLoop, TransportPollResult};
use opcua::client::{AsyncSecureChannel, SessionRetryPolicy};
use opcua::core::{RequestMessage, ResponseMessage};
use opcua::crypto::{CertificateStore, SecurityPolicy, X509, create_signature_data, random, verify_signature_data};
use opcua::sync::RwLock;
use opcua::types::{
    ActivateSessionRequest, ApplicationDescription, ApplicationType, ByteString, ContextOwned, CreateSessionRequest,
    EndpointDescription, GetEndpointsRequest, LocalizedText, MessageSecurityMode, NamespaceMap, NodeId, StatusCode,
    UAString,
};
use tokio::time::timeout;

use super::certificate::{self, Own};
use super::fault::{Fault, describe, status_text};
use super::identity::User;
use super::session::{Pass, Session, good, header, unexpected};
use super::transport::{Dialer, Line, TOKEN_LIFETIME, configuration, decoding_options};
use super::trust::TrustList;
use crate::capability::wire::Trace;
use crate::config::model::{OpcUaLink, OpcUaMode, OpcUaPolicy};

/// The one way of carrying messages that is spoken here (OPC 10000-7).
const BINARY: &str = "uatcp-uasc-uabinary";
/// Bytes of the client's nonce (OPC 10000-4, 5.7.2: at least 32).
const NONCE: usize = 32;
/// Longest wait for the server to close a connection that was only made to ask for endpoints.
const GOODBYE: Duration = Duration::from_millis(500);

/// What a session is made from.
pub(super) struct Plan {
    pub(super) link: String,
    pub(super) settings: OpcUaLink,
    pub(super) pki: PathBuf,
    pub(super) hub: String,
    pub(super) trace: Arc<Trace>,
}

/// A session and what moves its bytes.
pub(super) struct Open {
    pub(super) session: Session,
    pub(super) line: SecureChannelEventLoop<Line>,
    /// Whether it is the session of before.
    pub(super) is_resumed: bool,
}

impl Plan {
    /// Longest time that a session may take to come about.
    pub(super) fn patience(&self) -> Duration {
        self.settings.connect_timeout * 2 + self.settings.timeout * 4
    }

    /// Makes a session, or takes up the one of this pass. The error is a sentence for an administrator.
    pub(super) async fn establish(&self, previous: Option<Pass>, number: u64) -> Result<Open, String> {
        match timeout(self.patience(), self.make(previous, number)).await {
            Ok(opened) => opened,
            Err(_) => Err(format!("{}: no session within {} s", self.settings.url, self.patience().as_secs_f64())),
        }
    }

    async fn make(&self, previous: Option<Pass>, number: u64) -> Result<Open, String> {
        let own = match self.settings.policy {
            OpcUaPolicy::None => None,
            _ => Some(self.own().await?),
        };
        let endpoint = self.choose(self.endpoints().await?)?;
        let user = User::at(&self.settings.identity, &endpoint);
        let user = user.map_err(|reason| format!("{}: {reason}", self.settings.url))?;
        let policy = SecurityPolicy::from_uri(endpoint.security_policy_uri.as_ref());
        let server = if policy != SecurityPolicy::None || user.needs_certificate() {
            Some(self.trusted(&endpoint, policy)?)
        } else {
            None
        };
        let channel = self.channel(&endpoint);
        let mut line = self.dial(&channel).await.map_err(|reason| self.channel_refused(&reason))?;
        let handshake = Handshake { plan: self, channel: &channel, endpoint: &endpoint, policy, own, server, user };
        let work = handshake.activate(previous);
        let (pass, is_resumed) = drive(&mut line, work).await.map_err(|fault| self.session_refused(&fault))?;
        channel.set_auth_token(pass.token.clone());
        let begin = Session::begin(channel, pass, number, self.settings.timeout, Arc::clone(&self.trace));
        let session = drive(&mut line, begin).await.map_err(|fault| format!("{}: {fault}", self.settings.url))?;
        Ok(Open { session, line, is_resumed })
    }

    async fn own(&self) -> Result<Own, String> {
        let (pki, hub) = (self.pki.clone(), self.hub.clone());
        let made = tokio::task::spawn_blocking(move || Own::read_or_make(&pki, &hub)).await;
        made.map_err(|error| error.to_string())?.map_err(|error| format!("no own certificate: {error}"))
    }

    /// Asks the server what endpoints it has, over a connection of its own without security.
    async fn endpoints(&self) -> Result<Vec<EndpointDescription>, String> {
        let channel = self.channel(&EndpointDescription::from(self.settings.url.as_str()));
        let mut line = self.dial(&channel).await.map_err(|reason| format!("{}: {reason}", self.settings.url))?;
        let request = GetEndpointsRequest {
            request_header: header(&channel, &NodeId::null(), self.settings.timeout),
            endpoint_url: UAString::from(self.settings.url.as_str()),
            locale_ids: None,
            profile_uris: None,
        };
        let answer = drive(&mut line, ask(&channel, request, self.settings.timeout)).await;
        channel.close_channel().await;
        let closed = async { while !matches!(line.poll().await, TransportPollResult::Closed(_)) {} };
        // It is closed in any case, by dropping it.
        let _ = timeout(GOODBYE, closed).await;
        match answer {
            Ok(ResponseMessage::GetEndpoints(response)) => Ok(response.endpoints.unwrap_or_default()),
            Ok(other) => Err(unexpected(&other).to_string()),
            Err(fault) => Err(format!("{}: cannot ask for endpoints: {fault}", self.settings.url)),
        }
    }

    /// The endpoint that the configuration names.
    pub(super) fn choose(&self, offered: Vec<EndpointDescription>) -> Result<EndpointDescription, String> {
        let (policy, mode) = self.security();
        let is_wanted = |endpoint: &EndpointDescription| {
            let profile = endpoint.transport_profile_uri.as_ref();
            SecurityPolicy::from_uri(endpoint.security_policy_uri.as_ref()) == policy
                && endpoint.security_mode == mode
                && (profile.is_empty() || profile.ends_with(BINARY))
        };
        let mut words: Vec<String> = offered.iter().map(in_words).collect();
        words.sort();
        words.dedup();
        match offered.into_iter().find(is_wanted) {
            Some(mut endpoint) => {
                // The address that the server gives itself is often one that only the server can reach.
                endpoint.endpoint_url = UAString::from(self.settings.url.as_str());
                Ok(endpoint)
            }
            None => Err(format!(
                "{}: the server has no endpoint with policy {policy} and mode {mode}; it has: {}",
                self.settings.url,
                words.join(", ")
            )),
        }
    }

    fn security(&self) -> (SecurityPolicy, MessageSecurityMode) {
        let policy = match self.settings.policy {
            OpcUaPolicy::None => return (SecurityPolicy::None, MessageSecurityMode::None),
            OpcUaPolicy::Basic256Sha256 => SecurityPolicy::Basic256Sha256,
            OpcUaPolicy::Aes128Sha256RsaOaep => SecurityPolicy::Aes128Sha256RsaOaep,
            OpcUaPolicy::Aes256Sha256RsaPss => SecurityPolicy::Aes256Sha256RsaPss,
        };
        match self.settings.mode {
            OpcUaMode::Sign => (policy, MessageSecurityMode::Sign),
            OpcUaMode::SignAndEncrypt => (policy, MessageSecurityMode::SignAndEncrypt),
        }
    }

    /// The server's certificate, when it is trusted.
    fn trusted(&self, endpoint: &EndpointDescription, policy: SecurityPolicy) -> Result<X509, String> {
        let certificate = X509::from_byte_string(&endpoint.server_certificate)
            .map_err(|_| format!("{}: the server shows no certificate that can be read", self.settings.url))?;
        match TrustList::new(&self.pki).check(&certificate, policy) {
            Ok(()) => Ok(certificate),
            Err(distrust) => Err(format!("{}: {distrust}", self.settings.url)),
        }
    }

    fn channel(&self, endpoint: &EndpointDescription) -> AsyncSecureChannel {
        let store: CertificateStore = certificate::store(&self.pki);
        let context = ContextOwned::new_default(NamespaceMap::new(), decoding_options());
        AsyncSecureChannel::new(
            Arc::new(RwLock::new(store)),
            endpoint.clone().into(),
            SessionRetryPolicy::new(Duration::ZERO, Some(0), Duration::ZERO),
            false,
            Arc::default(),
            configuration(),
            u32::try_from(TOKEN_LIFETIME.as_millis()).unwrap_or(u32::MAX),
            Arc::new(RwLock::new(context)),
        )
    }

    /// Connects and opens the channel. The library would wait for ever for a server that takes the connection and says nothing.
    async fn dial(&self, channel: &AsyncSecureChannel) -> Result<SecureChannelEventLoop<Line>, String> {
        let patience = self.settings.connect_timeout + self.settings.timeout;
        let dialer = Dialer::new(&self.settings.url, self.settings.connect_timeout);
        match timeout(patience, channel.connect_no_retry(&dialer)).await {
            Err(_) => Err(format!("the server does not answer within {} s", patience.as_secs_f64())),
            Ok(Err(error)) if error.status() == StatusCode::BadConnectionClosed => {
                Err(String::from("the server closed the connection before it answered"))
            }
            Ok(connected) => connected.map_err(|error| describe(&error)),
        }
    }

    fn channel_refused(&self, reason: &str) -> String {
        let hint = match self.settings.policy {
            OpcUaPolicy::None => "",
            _ => "; the server may not trust the hub's certificate, which `tutin opcua certificate` shows",
        };
        format!("{}: no secure channel: {reason}{hint}", self.settings.url)
    }

    fn session_refused(&self, fault: &Fault) -> String {
        format!("{}: no session: {fault}", self.settings.url)
    }
}

/// The steps that need a secure channel.
struct Handshake<'a> {
    plan: &'a Plan,
    channel: &'a AsyncSecureChannel,
    endpoint: &'a EndpointDescription,
    policy: SecurityPolicy,
    own: Option<Own>,
    server: Option<X509>,
    user: User<'a>,
}

impl Handshake<'_> {
    async fn activate(&self, previous: Option<Pass>) -> Result<(Pass, bool), Fault> {
        if let Some(pass) = previous {
            match self.activate_one(pass).await {
                Ok(pass) => return Ok((pass, true)),
                // The server has forgotten it, or never lets one be taken up: there is a new one.
                Err(Fault::Status(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        let pass = self.create().await?;
        Ok((self.activate_one(pass).await?, false))
    }

    async fn create(&self) -> Result<Pass, Fault> {
        let plan = self.plan;
        let client_nonce = random::byte_string(NONCE);
        let uri = self.own.as_ref().map_or_else(|| certificate::application_uri(&plan.hub), |own| own.uri.clone());
        let request = CreateSessionRequest {
            request_header: header(self.channel, &NodeId::null(), plan.settings.timeout),
            client_description: ApplicationDescription {
                application_uri: UAString::from(uri),
                product_uri: UAString::from("urn:tutin"),
                application_name: LocalizedText::new("", &format!("Tutin {}", plan.hub)),
                application_type: ApplicationType::Client,
                ..ApplicationDescription::default()
            },
            server_uri: UAString::null(),
            endpoint_url: self.endpoint.endpoint_url.clone(),
            session_name: UAString::from(format!("{} {}", plan.hub, plan.link)),
            client_nonce: client_nonce.clone(),
            client_certificate: self.own.as_ref().map(|own| own.certificate.as_byte_string()).unwrap_or_default(),
            requested_session_timeout: plan.settings.session_timeout.as_secs_f64() * 1000.0,
            max_response_message_size: 0,
        };
        let response = match ask(self.channel, request, plan.settings.timeout).await? {
            ResponseMessage::CreateSession(response) => response,
            other => return Err(unexpected(&other)),
        };
        if let (Some(own), Some(server)) = (&self.own, &self.server) {
            if response.server_certificate != self.endpoint.server_certificate {
                return Err(Fault::Other(String::from("the server shows another certificate than its endpoint")));
            }
            let (signature, nonce) = (&response.server_signature, client_nonce.as_ref());
            verify_signature_data(signature, self.policy, server, &own.certificate, nonce)
                .map_err(|_| Fault::Other(String::from("the server cannot show that its certificate is its own")))?;
        }
        Ok(Pass { token: response.authentication_token.clone(), nonce: response.server_nonce.clone() })
    }

    async fn activate_one(&self, pass: Pass) -> Result<Pass, Fault> {
        let certificate: ByteString = self.server.as_ref().map(X509::as_byte_string).unwrap_or_default();
        let client_signature = match &self.own {
            None => opcua::types::SignatureData::null(),
            Some(own) => create_signature_data(&own.key, self.policy, &certificate, &pass.nonce)
                .map_err(|error| Fault::Other(describe(&error)))?,
        };
        let sign_in = self.user.sign_in(self.server.as_ref(), &pass.nonce).map_err(Fault::Other)?;
        let request = ActivateSessionRequest {
            request_header: header(self.channel, &pass.token, self.plan.settings.timeout),
            client_signature,
            client_software_certificates: None,
            locale_ids: None,
            user_identity_token: sign_in.token,
            user_token_signature: sign_in.signature,
        };
        match ask(self.channel, request, self.plan.settings.timeout).await? {
            ResponseMessage::ActivateSession(response) => {
                Ok(Pass { token: pass.token, nonce: response.server_nonce.clone() })
            }
            other => Err(unexpected(&other)),
        }
    }
}

/// Does something over a connection that nobody else moves yet.
pub(super) async fn drive<T>(
    line: &mut SecureChannelEventLoop<Line>,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            moved = line.poll() => if let TransportPollResult::Closed(status) = moved {
                return Err(Fault::Closed(closed(status.bits())));
            }
        }
    }
}

/// Why a connection ended, for people.
pub(super) fn closed(status: u32) -> String {
    match status {
        0 => String::from("the server closed the connection"),
        status => format!("the connection broke ({})", status_text(status)),
    }
}

async fn ask(
    channel: &AsyncSecureChannel,
    request: impl Into<RequestMessage>,
    timeout: Duration,
) -> Result<ResponseMessage, Fault> {
    channel.send(request, timeout).await.map_err(|error| Fault::of(&error)).and_then(good)
}

fn in_words(endpoint: &EndpointDescription) -> String {
    let policy = SecurityPolicy::from_uri(endpoint.security_policy_uri.as_ref());
    format!("{policy} {}", endpoint.security_mode)
}
