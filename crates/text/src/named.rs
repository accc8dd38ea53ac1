//! Values that have names in options and configurations.

/// Gives an enum without fields the names of its values: the list of them, and a way from a value to its name and back.
/// The string after the type says in errors what the names are of.
macro_rules! named {
    ($type:ident, $option:literal, $first:literal => $value:ident $(, $name:literal => $other:ident)+ $(,)?) => {
        impl $type {
            /// Lists the names of all values, in options and configurations.
            pub const NAMES: &'static [&'static str] = &[$first $(, $name)+];

            /// Returns the name, as options and configurations spell it.
            pub fn name(self) -> &'static str {
                match self {
                    $type::$value => $first,
                    $($type::$other => $name,)+
                }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::error::Error;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                match name {
                    $first => Ok($type::$value),
                    $($name => Ok($type::$other),)+
                    _ => Err($crate::error::Error::Option {
                        option: $option,
                        found: format!("`{name}`"),
                        expected: concat!("one of ", $first $(, ", ", $name)+),
                    }),
                }
            }
        }
    };
}

pub(crate) use named;
