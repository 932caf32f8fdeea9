//! What the server answers to each request.
//!
//! Source: OPC 10000-4, 5 (services) and 7.38.2 (status codes).

use std::time::Duration;

use opcua::core::{RequestMessage, ResponseMessage};
use opcua::crypto::random;
use opcua::types::{
    ActivateSessionRequest, ActivateSessionResponse, ApplicationDescription, ApplicationType, BrowseNextResponse,
    BrowseRequest, BrowseResponse, BrowseResult, ByteString, CallMethodRequest, CallMethodResult, CallRequest,
    CallResponse, CloseSessionResponse, CreateMonitoredItemsRequest, CreateMonitoredItemsResponse,
    CreateSessionRequest, CreateSessionResponse, CreateSubscriptionRequest, CreateSubscriptionResponse,
    DeleteMonitoredItemsRequest, DeleteMonitoredItemsResponse, DeleteSubscriptionsRequest, DeleteSubscriptionsResponse,
    EndpointDescription, GetEndpointsResponse, HistoryReadRequest, HistoryReadResponse, HistoryReadResult,
    LocalizedText, MessageSecurityMode, ModifySubscriptionRequest, ModifySubscriptionResponse,
    MonitoredItemCreateRequest, MonitoredItemCreateResult, NodeId, PublishRequest, ReadRequest, ReadResponse,
    RepublishRequest, RepublishResponse, RequestHeader, ResponseHeader, ServiceFault, SignatureData, StatusCode,
    UAString, UserTokenPolicy, Variant, WriteRequest, WriteResponse, WriteValue,
};
use tokio::time::Instant;

use super::space::OWN;
use super::state::{Called, State, Written};
use super::subscription::{INTERVAL, Subscription};
use crate::notation::hex;

const POLICY: &str = "http://opcfoundation.org/UA/SecurityPolicy#None";
const TRANSPORT: &str = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary";
/// Bytes of the server's nonce (OPC 10000-4, 5.7.2: at least 32).
const NONCE: usize = 32;
/// How long a session is kept at most, and at least.
const LONGEST_SESSION: Duration = Duration::from_secs(3600);
const SHORTEST_SESSION: Duration = Duration::from_secs(1);
/// The attribute that is monitored.
pub(super) const VALUE: u32 = 13;

/// What becomes of a request.
pub(super) enum Reply {
    Now(ResponseMessage),
    /// When there is something to publish, with what became of the acknowledgements.
    Later(Vec<StatusCode>),
    /// When changes are told of again.
    Parked,
}

impl State {
    /// Answers a request that came over this connection under this number.
    pub(super) fn answer(&mut self, connection: u64, number: u32, request: RequestMessage, now: Instant) -> Reply {
        let header = request.request_header().clone();
        let answer = match request {
            RequestMessage::GetEndpoints(request) => Ok(endpoints(&header, &request.endpoint_url)),
            RequestMessage::CreateSession(request) => Ok(self.create_session(&header, &request, now)),
            RequestMessage::ActivateSession(request) => self.activate(connection, &request, now),
            request => match self.sessions.get_mut(&header.authentication_token) {
                None => Err(StatusCode::BadSessionIdInvalid),
                Some(session) if session.connection != Some(connection) => Err(StatusCode::BadSessionNotActivated),
                Some(session) => {
                    session.heard = now;
                    if self.is_held && matches!(request, RequestMessage::CreateSubscription(_)) {
                        self.park(connection, number, request);
                        return Reply::Parked;
                    }
                    if let RequestMessage::Publish(request) = request {
                        return self.publish_later(&header, *request);
                    }
                    self.serve(&header, request)
                }
            },
        };
        Reply::Now(answer.unwrap_or_else(|status| ServiceFault::new(&header, status).into()))
    }

    fn serve(&mut self, header: &RequestHeader, request: RequestMessage) -> Result<ResponseMessage, StatusCode> {
        let token = &header.authentication_token;
        let response_header = ResponseHeader::new_good(header);
        Ok(match request {
            RequestMessage::CloseSession(_) => {
                self.sessions.remove(token);
                CloseSessionResponse { response_header }.into()
            }
            RequestMessage::Read(request) => self.read_all(response_header, *request)?,
            RequestMessage::Browse(request) => self.browse(response_header, *request)?,
            RequestMessage::BrowseNext(request) => {
                let points = asked(request.continuation_points)?;
                let status_code = StatusCode::BadContinuationPointInvalid;
                let results = points.iter().map(|_| BrowseResult { status_code, ..BrowseResult::default() });
                BrowseNextResponse { response_header, results: Some(results.collect()), diagnostic_infos: None }.into()
            }
            RequestMessage::HistoryRead(request) => no_history(response_header, *request)?,
            RequestMessage::Write(request) => self.write(response_header, *request)?,
            RequestMessage::Call(request) => self.call(response_header, *request)?,
            RequestMessage::CreateSubscription(request) => {
                self.create_subscription(response_header, token, &request)?
            }
            RequestMessage::ModifySubscription(request) => self.modify(response_header, token, &request)?,
            RequestMessage::DeleteSubscriptions(request) => {
                self.delete_subscriptions(response_header, token, *request)?
            }
            RequestMessage::CreateMonitoredItems(request) => self.monitor(response_header, token, *request)?,
            RequestMessage::DeleteMonitoredItems(request) => self.forget(response_header, token, *request)?,
            RequestMessage::Republish(request) => self.republish(response_header, token, &request)?,
            _ => return Err(StatusCode::BadServiceUnsupported),
        })
    }

    fn create_session(
        &mut self,
        header: &RequestHeader,
        request: &CreateSessionRequest,
        now: Instant,
    ) -> ResponseMessage {
        self.expire(now);
        let wished = Duration::try_from_secs_f64(request.requested_session_timeout / 1000.0).unwrap_or(LONGEST_SESSION);
        let timeout = wished.clamp(SHORTEST_SESSION, LONGEST_SESSION);
        let token = NodeId::new(1, random::byte_string(NONCE));
        self.sessions.insert(token.clone(), super::session::Session::new(timeout));
        CreateSessionResponse {
            response_header: ResponseHeader::new_good(header),
            session_id: NodeId::new(1, self.number()),
            authentication_token: token,
            revised_session_timeout: timeout.as_secs_f64() * 1000.0,
            server_nonce: random::byte_string(NONCE),
            server_certificate: ByteString::null(),
            server_endpoints: Some(vec![endpoint(&request.endpoint_url)]),
            server_software_certificates: None,
            server_signature: SignatureData::null(),
            max_request_message_size: 0,
        }
        .into()
    }

    /// Gives a session to this connection, whichever had it.
    fn activate(
        &mut self,
        connection: u64,
        request: &ActivateSessionRequest,
        now: Instant,
    ) -> Result<ResponseMessage, StatusCode> {
        self.expire(now);
        let header = &request.request_header;
        let session = self.sessions.get_mut(&header.authentication_token).ok_or(StatusCode::BadSessionIdInvalid)?;
        (session.connection, session.heard, session.is_writing) = (Some(connection), now, false);
        let response_header = ResponseHeader::new_good(header);
        let server_nonce = random::byte_string(NONCE);
        Ok(ActivateSessionResponse { response_header, server_nonce, results: None, diagnostic_infos: None }.into())
    }

    fn publish_later(&mut self, header: &RequestHeader, request: PublishRequest) -> Reply {
        let fault = |status| Reply::Now(ServiceFault::new(header, status).into());
        let Some(session) = self.sessions.get_mut(&header.authentication_token) else {
            return fault(StatusCode::BadSessionIdInvalid);
        };
        let results = session.acknowledge(&request.subscription_acknowledgements.unwrap_or_default());
        if session.subscriptions.is_empty() {
            return fault(StatusCode::BadNoSubscription);
        }
        Reply::Later(results)
    }

    fn read_all(&self, response_header: ResponseHeader, request: ReadRequest) -> Result<ResponseMessage, StatusCode> {
        let nodes = asked(request.nodes_to_read)?;
        let results = nodes.iter().map(|node| self.read(&node.node_id, node.attribute_id)).collect();
        Ok(ReadResponse { response_header, results: Some(results), diagnostic_infos: None }.into())
    }

    fn browse(&self, response_header: ResponseHeader, request: BrowseRequest) -> Result<ResponseMessage, StatusCode> {
        let nodes = asked(request.nodes_to_browse)?;
        let results = nodes.iter().map(|wanted| self.space.browse(wanted)).collect();
        Ok(BrowseResponse { response_header, results: Some(results), diagnostic_infos: None }.into())
    }

    fn write(&mut self, response_header: ResponseHeader, request: WriteRequest) -> Result<ResponseMessage, StatusCode> {
        let values = asked(request.nodes_to_write)?;
        let results = values.iter().map(|value| self.write_one(value)).collect();
        Ok(WriteResponse { response_header, results: Some(results), diagnostic_infos: None }.into())
    }

    fn write_one(&mut self, write: &WriteValue) -> StatusCode {
        if write.attribute_id != VALUE {
            return StatusCode::BadNotWritable;
        }
        let Some(value) = &write.value.value else { return StatusCode::BadTypeMismatch };
        let status = self.space.write(&write.node_id, value);
        if status.is_good() {
            let node = self.named(&write.node_id);
            self.written.push(Written { node, value: json(value) });
            self.tell(&write.node_id);
        }
        status
    }

    fn call(&mut self, response_header: ResponseHeader, request: CallRequest) -> Result<ResponseMessage, StatusCode> {
        let calls = asked(request.methods_to_call)?;
        let results = calls.into_iter().map(|call| self.call_one(call)).collect();
        Ok(CallResponse { response_header, results: Some(results), diagnostic_infos: None }.into())
    }

    fn call_one(&mut self, call: CallMethodRequest) -> CallMethodResult {
        if !self.space.has_method(&call.object_id, &call.method_id) {
            return CallMethodResult { status_code: StatusCode::BadMethodInvalid, ..CallMethodResult::default() };
        }
        let arguments = call.input_arguments.unwrap_or_default().iter().map(json).collect();
        let (object, method) = (self.named(&call.object_id), self.named(&call.method_id));
        self.called.push(Called { object, method, arguments });
        CallMethodResult::default()
    }

    fn create_subscription(
        &mut self,
        response_header: ResponseHeader,
        token: &NodeId,
        request: &CreateSubscriptionRequest,
    ) -> Result<ResponseMessage, StatusCode> {
        let subscription_id = self.number();
        let subscription = Subscription::new(request);
        let response = CreateSubscriptionResponse {
            response_header,
            subscription_id,
            revised_publishing_interval: INTERVAL.as_secs_f64() * 1000.0,
            revised_lifetime_count: request.requested_lifetime_count,
            revised_max_keep_alive_count: subscription.keep_alive_count(),
        };
        let session = self.sessions.get_mut(token).ok_or(StatusCode::BadSessionIdInvalid)?;
        session.subscriptions.insert(subscription_id, subscription);
        Ok(response.into())
    }

    fn modify(
        &mut self,
        response_header: ResponseHeader,
        token: &NodeId,
        request: &ModifySubscriptionRequest,
    ) -> Result<ResponseMessage, StatusCode> {
        let subscription = self.subscription(token, request.subscription_id)?;
        let wished = CreateSubscriptionRequest {
            requested_publishing_interval: request.requested_publishing_interval,
            requested_max_keep_alive_count: request.requested_max_keep_alive_count,
            ..CreateSubscriptionRequest::default()
        };
        subscription.keep_alive = Subscription::new(&wished).keep_alive;
        Ok(ModifySubscriptionResponse {
            response_header,
            revised_publishing_interval: INTERVAL.as_secs_f64() * 1000.0,
            revised_lifetime_count: request.requested_lifetime_count,
            revised_max_keep_alive_count: subscription.keep_alive_count(),
        }
        .into())
    }

    fn delete_subscriptions(
        &mut self,
        response_header: ResponseHeader,
        token: &NodeId,
        request: DeleteSubscriptionsRequest,
    ) -> Result<ResponseMessage, StatusCode> {
        let ids = asked(request.subscription_ids)?;
        let session = self.sessions.get_mut(token).ok_or(StatusCode::BadSessionIdInvalid)?;
        let delete = |id: &u32| match session.subscriptions.remove(id) {
            Some(_) => StatusCode::Good,
            None => StatusCode::BadSubscriptionIdInvalid,
        };
        let results = Some(ids.iter().map(delete).collect());
        Ok(DeleteSubscriptionsResponse { response_header, results, diagnostic_infos: None }.into())
    }

    fn monitor(
        &mut self,
        response_header: ResponseHeader,
        token: &NodeId,
        request: CreateMonitoredItemsRequest,
    ) -> Result<ResponseMessage, StatusCode> {
        let items = asked(request.items_to_create)?;
        self.monitorings += 1;
        let mut results = Vec::with_capacity(items.len());
        for item in &items {
            results.push(self.monitor_one(token, request.subscription_id, item)?);
        }
        Ok(CreateMonitoredItemsResponse { response_header, results: Some(results), diagnostic_infos: None }.into())
    }

    fn monitor_one(
        &mut self,
        token: &NodeId,
        subscription: u32,
        item: &MonitoredItemCreateRequest,
    ) -> Result<MonitoredItemCreateResult, StatusCode> {
        let id = self.number();
        let (node, attribute) = (&item.item_to_monitor.node_id, item.item_to_monitor.attribute_id);
        let value = self.read(node, attribute);
        let is_value = attribute == VALUE && self.space.entry(node).is_some_and(|entry| entry.is_variable());
        let subscription = self.subscription(token, subscription)?;
        if is_value {
            return Ok(subscription.monitor(id, item, value));
        }
        let status_code = value.status.filter(|status| status.is_bad()).unwrap_or(StatusCode::BadAttributeIdInvalid);
        Ok(MonitoredItemCreateResult { status_code, ..MonitoredItemCreateResult::default() })
    }

    fn forget(
        &mut self,
        response_header: ResponseHeader,
        token: &NodeId,
        request: DeleteMonitoredItemsRequest,
    ) -> Result<ResponseMessage, StatusCode> {
        let ids = asked(request.monitored_item_ids)?;
        let subscription = self.subscription(token, request.subscription_id)?;
        let results = Some(ids.into_iter().map(|id| subscription.forget(id)).collect());
        Ok(DeleteMonitoredItemsResponse { response_header, results, diagnostic_infos: None }.into())
    }

    fn republish(
        &mut self,
        response_header: ResponseHeader,
        token: &NodeId,
        request: &RepublishRequest,
    ) -> Result<ResponseMessage, StatusCode> {
        let sent = self.subscription(token, request.subscription_id)?.sent();
        let message = sent.get(&request.retransmit_sequence_number).ok_or(StatusCode::BadMessageNotAvailable)?;
        Ok(RepublishResponse { response_header, notification_message: message.clone() }.into())
    }

    fn subscription(&mut self, token: &NodeId, id: u32) -> Result<&mut Subscription, StatusCode> {
        let session = self.sessions.get_mut(token).ok_or(StatusCode::BadSessionIdInvalid)?;
        session.subscriptions.get_mut(&id).ok_or(StatusCode::BadSubscriptionIdInvalid)
    }

    /// The node as the case names it.
    fn named(&self, node: &NodeId) -> String {
        self.space.entry(node).map_or_else(|| node.to_string(), |entry| entry.name.clone())
    }
}

/// What a request is about; one about nothing is none.
fn asked<T>(list: Option<Vec<T>>) -> Result<Vec<T>, StatusCode> {
    list.filter(|list| !list.is_empty()).ok_or(StatusCode::BadNothingToDo)
}

fn no_history(response_header: ResponseHeader, request: HistoryReadRequest) -> Result<ResponseMessage, StatusCode> {
    let nodes = asked(request.nodes_to_read)?;
    let status_code = StatusCode::BadHistoryOperationUnsupported;
    let results = nodes.iter().map(|_| HistoryReadResult { status_code, ..HistoryReadResult::default() });
    Ok(HistoryReadResponse { response_header, results: Some(results.collect()), diagnostic_infos: None }.into())
}

fn endpoints(header: &RequestHeader, url: &UAString) -> ResponseMessage {
    let response_header = ResponseHeader::new_good(header);
    GetEndpointsResponse { response_header, endpoints: Some(vec![endpoint(url)]) }.into()
}

/// The one endpoint, under the address by which the client found it.
fn endpoint(url: &UAString) -> EndpointDescription {
    EndpointDescription {
        endpoint_url: url.clone(),
        server: ApplicationDescription {
            application_uri: UAString::from(OWN),
            product_uri: UAString::from("urn:tutin"),
            application_name: LocalizedText::new("", "simulated analyser"),
            application_type: ApplicationType::Server,
            discovery_urls: Some(vec![url.clone()]),
            ..ApplicationDescription::default()
        },
        server_certificate: ByteString::null(),
        security_mode: MessageSecurityMode::None,
        security_policy_uri: UAString::from(POLICY),
        user_identity_tokens: Some(vec![UserTokenPolicy::anonymous()]),
        transport_profile_uri: UAString::from(TRANSPORT),
        security_level: 0,
    }
}

fn json(value: &Variant) -> serde_json::Value {
    match value {
        Variant::Boolean(value) => (*value).into(),
        Variant::SByte(value) => (*value).into(),
        Variant::Byte(value) => (*value).into(),
        Variant::Int16(value) => (*value).into(),
        Variant::UInt16(value) => (*value).into(),
        Variant::Int32(value) => (*value).into(),
        Variant::UInt32(value) => (*value).into(),
        Variant::Int64(value) => (*value).into(),
        Variant::UInt64(value) => (*value).into(),
        Variant::Float(value) if value.is_finite() => f64::from(*value).into(),
        Variant::Double(value) if value.is_finite() => (*value).into(),
        Variant::String(value) => value.as_ref().into(),
        Variant::ByteString(value) => hex(value.as_ref()).into(),
        Variant::Array(array) => array.values.iter().map(json).collect(),
        other => other.to_string().into(),
    }
}
