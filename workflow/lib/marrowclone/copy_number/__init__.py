"""Copy-number signal per patient, its reference, malignant calls and arm states."""
