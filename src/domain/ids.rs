//! The names of rows, one type for each noun, so that none is taken for another.

use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(out)
            }
        }
    };
}

id!(
    /// A user.
    UserId
);
id!(
    /// An e-mail on its way.
    LetterId
);
id!(
    /// A signed-in browser; not the key in its cookie.
    SessionId
);
id!(
    /// A user's real number.
    NumberId
);
id!(
    /// A code on its way to a phone; opaque, but all that its code is derived from.
    VerificationId
);
id!(
    /// A mask.
    MaskId
);
id!(
    /// A wish about a mask at the carrier.
    OperationId
);
id!(
    /// A number that the carrier has for us and no row explains.
    OrphanId
);
id!(
    /// A call to a mask; also the opaque token in the addresses that tell how it goes on.
    CallId
);
id!(
    /// A server that routes calls; the same through its restarts.
    ServerId
);
