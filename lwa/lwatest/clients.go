package lwatest

import "fmt"

// The clients that are registered by default, one of each kind. Their ids have
// the form of Amazon's: a prefix and 32 hexadecimal digits.
const (
	WebClientID    = "amzn1.application-oa2-client.1f0c5a6e7b2d4983ac41d05e96b8237f"
	PublicClientID = "amzn1.application-oa2-client.2a9d41c87e3f4b60952bd7e8c10f63a4"
	MobileClientID = "amzn1.application-oa2-client.37be20f4d5a84c19b86e4f1290ca7d53"
	DeviceClientID = "amzn1.application-oa2-client.48cf3195e6b04d2aa97f502381db8e64"

	// WebClientSecret has the newer of Amazon's two forms.
	WebClientSecret = "amzn1.oa2-cs.v1.5e1b7a90c3d24f68b1a2937f40d8e65c7719a3b2c4d5e6f708192a3b4c5d6e7f"

	// ReturnURL is the allowed return URL of the clients that have one.
	ReturnURL = "https://localhost:9745/authresponse"
)

// ClientKind is the tab of Amazon's developer console that a client id was made
// under. The kinds look alike and mixing them up fails late.
type ClientKind int

const (
	// Web has a secret. Without it in the exchange there is no refresh token,
	// and a refresh is refused. Code-based linking seems to work with it, until
	// the first refresh.
	Web ClientKind = iota
	// WebPublic has no secret and gets no refresh token.
	WebPublic
	// Mobile is an Android or iOS key: PKCE, no secret, refresh tokens.
	Mobile
	// Device is "Other devices and platforms": code-based linking only.
	Device
)

// String returns the kind in a word.
func (k ClientKind) String() string {
	switch k {
	case Web:
		return "web"
	case WebPublic:
		return "public web"
	case Mobile:
		return "mobile"
	case Device:
		return "device"
	}
	return fmt.Sprintf("client kind %d", int(k))
}

// A Client is a registered program.
type Client struct {
	ID         string
	Kind       ClientKind
	Secret     string   // of a Web client
	ReturnURLs []string // compared byte for byte
	Name       string   // shown to the person
}

// DefaultClients returns what is registered when Options name no clients.
func DefaultClients() []Client {
	return []Client{
		{ID: WebClientID, Kind: Web, Secret: WebClientSecret, ReturnURLs: []string{ReturnURL}, Name: "Kitchen radio"},
		{ID: PublicClientID, Kind: WebPublic, ReturnURLs: []string{ReturnURL}, Name: "Kitchen radio"},
		{ID: MobileClientID, Kind: Mobile, ReturnURLs: []string{ReturnURL}, Name: "Kitchen radio"},
		{ID: DeviceClientID, Kind: Device, Name: "Kitchen radio"},
	}
}

// AddClient registers a client, or replaces the one of the same id.
func (s *Sim) AddClient(c Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID] = c
}

// SetSecret replaces a client's secret, as the console does. Refresh tokens
// survive that, says Amazon's documentation. An unknown id is an error.
func (s *Sim) SetSecret(clientID, secret string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clients[clientID]
	if !ok {
		return fmt.Errorf("no client %q is registered: add it with AddClient", clientID)
	}
	c.Secret = secret
	s.clients[clientID] = c
	return nil
}

// authenticate checks the client of a token request. proven is whether a
// secret was given and is right.
func (s *Sim) authenticate(f form) (c Client, proven bool, refused *answer) {
	id, secret := f.get("client_id"), f.get("client_secret")
	if id == "" {
		s.violation("%s without client_id", f.get("grant_type"))
		return Client{}, false, refuse(missing("client_id"))
	}
	c, ok := s.clients[id]
	if !ok {
		return Client{}, false, refuse(WrongSecret)
	}
	if c.Kind != Web && f.has("client_secret") {
		s.violation("%s: client_secret sent for a %s client, which has none", f.get("grant_type"), c.Kind)
		return Client{}, false, refuse(WrongSecret)
	}
	if c.Kind == Web && secret != "" && secret != c.Secret {
		return Client{}, false, refuse(WrongSecret)
	}
	return c, c.Kind == Web && secret != "", nil
}
