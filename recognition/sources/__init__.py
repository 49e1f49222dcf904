"""Where frames come from: photos, folders and patterns, films, cameras."""
