// The page to try the REST API: its description, made into forms. All of it comes from this server.

import 'openapi-explorer'
