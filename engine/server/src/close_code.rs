//! WebSocket close codes (RFC 6455 and its registry), as all protocols here use them.

/// Everything was said.
pub const NORMAL: u16 = 1000;

/// The server is being stopped.
pub const GOING_AWAY: u16 = 1001;

/// The connection went without a close frame. Never sent.
pub const ABNORMAL: u16 = 1006;

/// What the client sent is not what it should be.
pub const BAD_DATA: u16 = 1007;

/// The client broke a rule: the order of messages, the bound on what it leaves unread.
pub const POLICY: u16 = 1008;

/// A message is too long.
pub const TOO_LARGE: u16 = 1009;

/// Something went wrong in the server.
pub const INTERNAL: u16 = 1011;

/// Trying again later helps.
pub const TRY_AGAIN_LATER: u16 = 1013;
