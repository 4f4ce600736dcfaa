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
    // What administrators do is noted unless the filter says so itself.
    let filter = match "audit=info".parse() {
        Ok(audit) if !config.log.contains("audit") => filter.add_directive(audit),
        _ => filter,
    };
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
