//! Every flag there is, as data: its name, the form of its value, its default, what it means, and what becomes of it here.
//!
//! `--help`, the variables, the configuration file and docs/compatibility.md all follow this table. Whoever builds what a
//! flag asks for changes its kind here: `not_built` becomes `works`.

mod clustering;
mod features;
mod member;
mod observing;
mod security;

/// What becomes of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As in etcd.
    Works,
    /// Any value that etcd takes is taken and changes nothing, for this reason. One line of the log says so.
    MeansNothing(&'static str),
    /// What it asks for is not available in this release. Its default is accepted, and so are values that ask for
    /// nothing more.
    NotBuilt { what: &'static str, also: &'static [&'static str] },
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Any text.
    Text,
    /// Any text, which no message repeats.
    Secret,
    /// As Go's `strconv.ParseBool` reads it.
    Boolean,
    /// A whole number of something within bounds.
    Number { of: &'static str, min: i128, max: i128 },
    /// As Go's `time.ParseDuration` reads it, not negative.
    Duration,
    /// URLs, comma-separated; none at all means the default.
    Urls,
    /// Texts, comma-separated; in a configuration file a list.
    List,
    /// One of these.
    Choice(&'static [&'static str]),
}

/// A flag without its dashes.
#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    /// In the form that the flag takes. Empty where nothing is set, or where another flag decides it.
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) kind: Kind,
}

/// Flags that stand together in `--help`.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) flags: &'static [Flag],
}

/// All of them, in the order of etcd's help.
pub(crate) const GROUPS: [Group; 11] = [
    Group { title: "Member", flags: member::FLAGS },
    Group { title: "Clustering", flags: clustering::FLAGS },
    Group { title: "Security", flags: security::FLAGS },
    Group { title: "Auth", flags: security::AUTH },
    Group { title: "Profiling and Monitoring", flags: observing::MONITORING },
    Group { title: "Logging", flags: observing::LOGGING },
    Group { title: "Distributed tracing", flags: observing::TRACING },
    Group { title: "Features", flags: features::FLAGS },
    Group { title: "Unsafe features", flags: features::UNSAFE },
    Group { title: "Configuration", flags: features::CONFIGURATION },
    Group { title: QUESTIONS, flags: features::QUESTIONS },
];

/// The group of those that ask something of the program and set nothing: no variable and no file has them.
pub(crate) const QUESTIONS: &str = "Print and exit";

/// All flags, in order.
pub(crate) fn flags() -> impl Iterator<Item = &'static Flag> {
    GROUPS.iter().flat_map(|group| group.flags)
}

/// Those that set something.
pub(crate) fn settable() -> impl Iterator<Item = &'static Flag> {
    GROUPS.iter().filter(|group| group.title != QUESTIONS).flat_map(|group| group.flags)
}

/// The flag of this name.
pub(crate) fn find(name: &str) -> Option<&'static Flag> {
    flags().find(|flag| flag.name == name)
}

const fn works(name: &'static str, form: Form, default: &'static str, meaning: &'static str) -> Flag {
    Flag { name, form, default, meaning, kind: Kind::Works }
}

const fn means_nothing(
    name: &'static str,
    form: Form,
    default: &'static str,
    meaning: &'static str,
    why: &'static str,
) -> Flag {
    Flag { name, form, default, meaning, kind: Kind::MeansNothing(why) }
}

const fn not_built(
    name: &'static str,
    form: Form,
    default: &'static str,
    meaning: &'static str,
    what: &'static str,
) -> Flag {
    Flag { name, form, default, meaning, kind: Kind::NotBuilt { what, also: &[] } }
}

impl Flag {
    /// With values, beside the default, that ask for nothing more than there is.
    const fn also(self, also: &'static [&'static str]) -> Flag {
        match self.kind {
            Kind::NotBuilt { what, .. } => Flag { kind: Kind::NotBuilt { what, also }, ..self },
            _ => self,
        }
    }
}

/// A number without a bound of its own.
const fn number(of: &'static str) -> Form {
    Form::Number { of, min: 0, max: u64::MAX as i128 }
}
