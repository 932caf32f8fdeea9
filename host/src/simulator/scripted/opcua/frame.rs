//! Bytes of a connection without security, taken apart into messages and put together from them.
//!
//! ```text
//! byte 0 to 3    kind: HEL, ACK, ERR, OPN, CLO or MSG; then F, or for a message in several chunks C and for one that is given up A
//! byte 4 to 7    size of the whole chunk; numbers have their lowest byte first
//! HEL            version, size of what it receives, of what it sends, of a message, number of chunks (4 each), address
//! OPN            channel (4), policy, certificate, thumbprint (each with its length in front), sequence (4), request (4), body
//! MSG, CLO       channel (4), token (4), sequence (4), request (4), body
//! body           type of the message as a node id, the message
//! ```
//!
//! Source: OPC 10000-6, 6.7.2 (chunks) and 7.1.2 (HEL, ACK, ERR).

use std::io::Cursor;

use opcua::core::{Message, RequestMessage, ResponseMessage};
use opcua::types::{
    BinaryDecodable, BinaryEncodable, ByteString, ContextOwned, DecodingOptions, NamespaceMap, NodeId, StatusCode,
    UAString,
};
use tokio_util::bytes::{Buf, BytesMut};

/// Largest chunk that is taken and sent.
const CHUNK: u32 = 65_535;
/// Smallest chunk that a client must take.
const SMALLEST: u32 = 8192;
/// Largest message that is taken.
const MESSAGE: usize = 16 << 20;
/// Bytes in front of the body of MSG.
const IN_FRONT: usize = 24;
const NO_SECURITY: &str = "http://opcfoundation.org/UA/SecurityPolicy#None";

/// What a client sends.
#[derive(Debug)]
pub(super) enum Incoming {
    /// It introduces itself.
    Hello,
    /// A request, and the number that its answer has to have.
    Request(u32, Box<RequestMessage>),
    /// It closes its channel.
    Close,
}

/// Both ends of a connection.
pub(super) struct Frames {
    context: ContextOwned,
    pub input: BytesMut,
    pub output: BytesMut,
    /// Chunks of a message that is not whole.
    partial: Vec<u8>,
    /// Largest chunk that the client takes.
    chunk: usize,
    sequence: u32,
    pub channel: u32,
    pub token: u32,
}

impl Frames {
    pub(super) fn new(channel: u32) -> Self {
        let options = DecodingOptions { max_message_size: MESSAGE, ..DecodingOptions::default() };
        Frames {
            context: ContextOwned::new_default(NamespaceMap::new(), options),
            input: BytesMut::new(),
            output: BytesMut::new(),
            partial: Vec::new(),
            chunk: CHUNK as usize,
            sequence: 0,
            channel,
            token: 0,
        }
    }

    /// The next message; nothing when it is not whole yet.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, String> {
        loop {
            let Some(header) = self.input.first_chunk::<8>() else { return Ok(None) };
            let [a, b, c, last, size @ ..] = *header;
            let size = u32::from_le_bytes(size);
            if !(8..=CHUNK).contains(&size) {
                return Err(format!("a chunk of {size} bytes"));
            }
            if self.input.len() < size as usize {
                return Ok(None);
            }
            let mut chunk = self.input.split_to(size as usize).freeze();
            chunk.advance(8);
            match (&[a, b, c], last) {
                (b"HEL", b'F') => return self.hello(&chunk).map(Some),
                (b"CLO", _) => return Ok(Some(Incoming::Close)),
                (b"OPN" | b"MSG", b'A') => self.partial.clear(),
                (kind @ (b"OPN" | b"MSG"), b'C' | b'F') => {
                    let (request, body) = self.strip(kind, &chunk).map_err(|error| error.to_string())?;
                    self.partial.extend_from_slice(chunk.get(body..).unwrap_or_default());
                    if self.partial.len() > MESSAGE {
                        return Err(format!("a message of more than {MESSAGE} bytes"));
                    }
                    if last == b'F' {
                        let whole = std::mem::take(&mut self.partial);
                        let message = self.decode(&whole).map_err(|error| error.to_string())?;
                        return Ok(Some(Incoming::Request(request, Box::new(message))));
                    }
                }
                _ => return Err("a chunk of no kind that there is".into()),
            }
        }
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, request: u32, message: &ResponseMessage) -> Result<(), String> {
        let mut body = Vec::new();
        let context = self.context.context();
        let written = message.type_id().encode(&mut body, &context).and_then(|()| message.encode(&mut body, &context));
        written.map_err(|error| error.to_string())?;
        let is_opening = matches!(message, ResponseMessage::OpenSecureChannel(_));
        let mut pieces = body.chunks((self.chunk - IN_FRONT).max(1)).peekable();
        while let Some(piece) = pieces.next() {
            self.sequence = self.sequence.wrapping_add(1);
            let last = if pieces.peek().is_none() { b"F" } else { b"F" };
            let mut rest = self.channel.to_le_bytes().to_vec();
            if is_opening {
                let policy = NO_SECURITY.as_bytes();
                rest.extend_from_slice(&(policy.len() as u32).to_le_bytes());
                rest.extend_from_slice(policy);
                // Neither certificate nor thumbprint.
                rest.extend_from_slice(&[0xff; 8]);
            } else {
                rest.extend_from_slice(&self.token.to_le_bytes());
            }
            rest.extend_from_slice(&self.sequence.to_le_bytes());
            rest.extend_from_slice(&request.to_le_bytes());
            rest.extend_from_slice(piece);
            self.put(if is_opening { b"OPN" } else { b"MSG" }, last, &rest);
        }
        Ok(())
    }

    /// Says why the connection ends.
    pub(super) fn error(&mut self, status: StatusCode, reason: &str) {
        let mut rest = status.bits().to_le_bytes().to_vec();
        rest.extend_from_slice(&(reason.len() as u32).to_le_bytes());
        rest.extend_from_slice(reason.as_bytes());
        self.put(b"ERX", b"F", &rest);
    }

    fn hello(&mut self, chunk: &[u8]) -> Result<Incoming, String> {
        let number =
            |at: usize| chunk.get(at..at + 4).and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
        let receives = number(4).filter(|size| *size >= SMALLEST).ok_or("a client that takes no whole chunks")?;
        self.chunk = receives.min(CHUNK) as usize;
        let answer = [0, CHUNK, self.chunk as u32, MESSAGE as u32, 0].map(u32::to_le_bytes).concat();
        self.put(b"ACK", b"F", &answer);
        Ok(Incoming::Hello)
    }

    /// The number of the request, and where the body of a chunk begins.
    fn strip(&self, kind: &[u8; 3], chunk: &[u8]) -> Result<(u32, usize), opcua::types::Error> {
        let context = self.context.context();
        let mut stream = Cursor::new(chunk);
        u32::decode(&mut stream, &context)?;
        if kind == b"OPN" {
            let policy = UAString::decode(&mut stream, &context)?;
            if policy.as_ref() != NO_SECURITY {
                return Err(opcua::types::Error::new(StatusCode::BadSecurityPolicyRejected, "a channel with security"));
            }
            ByteString::decode(&mut stream, &context)?;
            ByteString::decode(&mut stream, &context)?;
        } else {
            u32::decode(&mut stream, &context)?;
        }
        u32::decode(&mut stream, &context)?;
        let request = u32::decode(&mut stream, &context)?;
        Ok((request, usize::try_from(stream.position()).unwrap_or(usize::MAX)))
    }

    fn decode(&self, body: &[u8]) -> Result<RequestMessage, opcua::types::Error> {
        let context = self.context.context();
        let mut stream = Cursor::new(body);
        let kind = NodeId::decode(&mut stream, &context)?;
        let kind = kind.as_object_id().map_err(|_| {
            opcua::types::Error::new(StatusCode::BadServiceUnsupported, format!("a message of the unknown type {kind}"))
        })?;
        RequestMessage::decode_by_object_id(&mut stream, kind, &context)
    }

    fn put(&mut self, kind: &[u8; 3], last: &[u8; 1], rest: &[u8]) {
        self.output.extend_from_slice(kind);
        self.output.extend_from_slice(last);
        self.output.extend_from_slice(&(rest.len() as u32 + 8).to_le_bytes());
        self.output.extend_from_slice(rest);
    }
}
