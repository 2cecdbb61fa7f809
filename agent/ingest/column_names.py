"""Column names that fields are known by beyond the field's own English aliases: the same names in
other languages, and names that begin with what the table is about (Book-Rating, movie_title).
"""

_NOUNS = (
    "item",
    "product",
    "article",
    "movie",
    "film",
    "book",
    "song",
    "track",
    "album",
    "game",
    "anime",
    "course",
    "recipe",
    "restaurant",
    "beer",
    "wine",
    "news",
)
_ENDINGS = {
    "title": ("title", "name"),
    "rating": ("rating", "score", "stars"),
    "categories": ("category", "categories", "genre", "genres"),
    "price": ("price",),
}
_ENGLISH = {
    "timestamp": "order_date order_time purchase_time event_date review_date rating_date "
    "transaction_date transaction_time invoice_date watched_at played_at listened_at bought_at",
    "value": "qty",
}
_OTHER_LANGUAGES = {
    "user_id": "用户id 用户_id 用户编号 用户 会员id 会员编号 顾客id 客户id 客户编号 "
    "买家id 會員編號 使用者id ユーザーid ユーザid ユーザー 会員id 顧客id "
    "顧客番号 사용자id 사용자_id 사용자 유저id 고객id 고객번호 회원번호",
    "item_id": "商品id 商品_id 商品编号 商品编码 商品編號 物品id 物品编号 宝贝id 电影id "
    "图书id 商品コード 商品番号 作品id アイテムid 상품id 상품_id 상품번호 "
    "상품코드 아이템id 영화id",
    "title": "商品名称 商品标题 商品名稱 商品名 标题 標題 书名 片名 电影名称 名称 "
    "タイトル 作品名 제목 상품명 영화명",
    "categories": "类目 商品类目 商品类别 品类 类别 分类 類別 标签 カテゴリ カテゴリー "
    "ジャンル 카테고리 장르 분류",
    "price": "价格 单价 售价 價格 価格 単価 가격 단가",
    "rating": "评分 打分 星级 評分 評価 評点 평점 별점",
    "timestamp": "时间戳 时间 日期 下单时间 购买时间 评论时间 時間 日時 日付 시간 일시 날짜",
    "type": "行为类型 行为 事件类型 行動 행동",
    "value": "数量 数目 個数 수량",
    "text": "评论 评论内容 评价内容 評論 レビュー コメント 리뷰 댓글",
}
"""Names by field, in Chinese, Japanese and Korean, separated by blanks."""


def more_names(field: str) -> tuple[str, ...]:
    """The further names of a field, as `alias_key` spells them."""
    nouns = (f"{noun}_{ending}" for ending in _ENDINGS.get(field, ()) for noun in _NOUNS)
    return (*nouns, *_ENGLISH.get(field, "").split(), *_OTHER_LANGUAGES.get(field, "").split())
