"""Where frames come from: photos, folders and patterns (videos and cameras later)."""
