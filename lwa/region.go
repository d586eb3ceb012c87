package lwa

// Endpoints are the addresses of an OAuth 2 server. CodePair and Profile may
// be empty: not every server has them.
type Endpoints struct {
	Authorize string // a person's browser goes there
	Token     string
	CodePair  string // code-based linking begins there
	Profile   string // tells whose account a token belongs to
}

// RegionEndpoints returns Amazon's addresses for na (US, CA, MX, BR), eu (UK,
// the EU, TR, AE, SA, EG, IN) or fe (JP, AU, SG), and false for any
// other text. A code from any region's authorize page is good at every token
// address; code pairs are made at one address for the whole world.
// https://developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html
func RegionEndpoints(region string) (Endpoints, bool) {
	var page, api string
	switch region {
	case "na":
		page, api = "https://www.amazon.com", "https://api.amazon.com"
	case "eu":
		page, api = "https://eu.account.amazon.com", "https://api.amazon.co.uk"
	case "fe":
		page, api = "https://apac.account.amazon.com", "https://api.amazon.co.jp"
	default:
		return Endpoints{}, false
	}
	return Endpoints{
		Authorize: page + "/ap/oa",
		Token:     api + "/auth/o2/token",
		CodePair:  "https://api.amazon.com/auth/O2/create/codepair",
		Profile:   api + "/user/profile",
	}, true
}
