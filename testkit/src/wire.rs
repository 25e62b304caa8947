//! Just enough of PostgreSQL's protocol (version 3, <https://www.postgresql.org/docs/current/protocol.html>) to count
//! messages in a stream of bytes.

/// Cuts a stream into messages: a type, a length, a body. Bytes may come in pieces of any size.
#[derive(Default)]
pub(crate) struct Messages {
    pub(crate) buffered: Vec<u8>,
    /// The first message of a client has no type.
    pub(crate) startup: bool,
}

impl Messages {
    /// The types and bodies of the messages that are complete now.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        self.buffered.extend_from_slice(bytes);
        let mut complete = Vec::new();
        loop {
            let header = if self.startup { 4 } else { 5 };
            let Some(length) = self.buffered.get(header - 4..header) else { return complete };
            let length = usize::try_from(u32::from_be_bytes(length.try_into().unwrap())).unwrap();
            let end = header - 4 + length;
            if self.buffered.len() < end {
                return complete;
            }
            let message: Vec<u8> = self.buffered.drain(..end).collect();
            let kind = if self.startup { 0 } else { message[0] };
            complete.push((kind, message[header..].to_vec()));
            self.startup = false;
        }
    }
}
