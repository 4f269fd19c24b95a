"""From rows to a registered, promoted model: plain steps, each callable alone."""
