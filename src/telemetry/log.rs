//! Logs: to standard error, as text or as JSON lines.

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, TelemetryConfig};

/// Starts logging. A second call changes nothing.
///
/// # Errors
/// When the filter can't be read.
pub fn init(config: &TelemetryConfig) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|why| format!("`telemetry.log`: {} is no log filter: {why}", config.log))?;
    // Unless the filter says so itself, what administrators do is noted, and the database
    // below the store doesn't tell of its own affairs.
    let unasked = [("audit", "audit=info"), ("fjall", "fjall=off"), ("lsm_tree", "lsm_tree=off")];
    let filter = unasked.iter().fold(filter, |filter, (name, directive)| match directive.parse() {
        Ok(directive) if !config.log.contains(name) => filter.add_directive(directive),
        _ => filter,
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // Another subscriber may be there already (tests); it stays.
    let _ = match config.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}
